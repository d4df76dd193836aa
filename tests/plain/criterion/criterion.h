/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the part of Criterion that the unit tests use, for places
 * that it can't go: a cross build without its arm64 package, a fuzzer.  Found
 * in its place when this folder comes first in the include path.  plain.c runs
 * each test in a process of its own; a fuzzer brings a plain_failed() that
 * aborts.
 */
#ifndef PLAIN_CRITERION_H
#define PLAIN_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct plain_test {
    const char *suite, *name;
    void (*run)(void);
    void (*init)(void), (*fini)(void);
    double timeout;
    struct plain_test *next;
};

void plain_add(struct plain_test *test);
/* Ends the test when it is fatal. */
void plain_failed(bool fatal, const char *file, int line, const char *what,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define Test(suite_, name_, ...)                                            \
    static void suite_##_##name_##_run(void);                               \
    static struct plain_test suite_##_##name_##_test = {                    \
        .suite = #suite_, .name = #name_, .run = suite_##_##name_##_run,    \
        __VA_ARGS__                                                         \
    };                                                                      \
    __attribute__((constructor)) static void suite_##_##name_##_add(void)   \
    {                                                                       \
        plain_add(&suite_##_##name_##_test);                                \
    }                                                                       \
    static void suite_##_##name_##_run(void)

#define PLAIN_IF(fatal, ok, what, ...)                                      \
    ((ok) ? (void)0                                                         \
          : plain_failed(fatal, __FILE__, __LINE__, what, "" __VA_ARGS__))

#define cr_assert(c, ...)           PLAIN_IF(true, c, #c, __VA_ARGS__)
#define cr_assert_fail(...)         PLAIN_IF(true, false, "fail", __VA_ARGS__)
#define PLAIN_OP(fatal, a, op, b, ...) \
    PLAIN_IF(fatal, (a) op (b), #a " " #op " " #b, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)     PLAIN_OP(true, a, ==, b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)    PLAIN_OP(true, a, !=, b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)     PLAIN_OP(true, a, <, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)     PLAIN_OP(true, a, >, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)    PLAIN_OP(true, a, <=, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)    PLAIN_OP(true, a, >=, b, __VA_ARGS__)
#define cr_assert_null(a, ...)      PLAIN_OP(true, a, ==, NULL, __VA_ARGS__)
#define cr_assert_not_null(a, ...)  PLAIN_OP(true, a, !=, NULL, __VA_ARGS__)
#define cr_assert_str_empty(a, ...) PLAIN_IF(true, !*(a), #a, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) \
    PLAIN_IF(true, !strcmp(a, b), #a " is " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) \
    PLAIN_IF(true, !memcmp(a, b, n), #a " is " #b, __VA_ARGS__)
#define cr_expect(c, ...)           PLAIN_IF(false, c, #c, __VA_ARGS__)
#define cr_expect_eq(a, b, ...)     PLAIN_OP(false, a, ==, b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) \
    PLAIN_IF(false, !strcmp(a, b), #a " is " #b, __VA_ARGS__)

#endif /* PLAIN_CRITERION_H */
