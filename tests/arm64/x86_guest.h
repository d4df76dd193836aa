/* SPDX-License-Identifier: MIT */
/*
 * Included before all else when the harness is compiled for arm64.  What it
 * simulates is an x86 machine, whatever it runs on: Xen's public headers are to
 * describe that one, and C's the real one, so that those come first.
 */
#ifndef ARM64_X86_GUEST_H
#define ARM64_X86_GUEST_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#undef __aarch64__
#define __x86_64__ 1

#endif /* ARM64_X86_GUEST_H */
