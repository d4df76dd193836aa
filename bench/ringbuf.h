/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_RINGBUF_H
#define BENCH_RINGBUF_H

#define RINGBUF_BATCH  32       /* records for each run of the program */
#define RINGBUF_HEADER 8U       /* bytes, before each record */

#endif /* BENCH_RINGBUF_H */
