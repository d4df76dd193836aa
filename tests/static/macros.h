/* SPDX-License-Identifier: MIT */
/* For spatch, which reads no headers and skips functions that it cannot parse. */
#define __agent
#define __force
