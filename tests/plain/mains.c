/* SPDX-License-Identifier: MIT */
/*
 * Programs whose main() was renamed when they were compiled, as tests of one
 * program (see the Makefile).
 */
#include <stdio.h>

#include <criterion/criterion.h>

#define ONE(name)                                                   \
    int test_##name##_main(void);                                   \
    Test(program, name, .timeout = 15)                              \
    {                                                               \
        cr_assert_eq(test_##name##_main(), 0);                      \
    }

NAMES
