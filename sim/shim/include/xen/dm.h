/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_DM_H
#define SIM_XEN_DM_H

#include <xen/errno.h>
#include <xen/types.h>
#include <public/hvm/dm_op.h>

struct dmop_args {
    domid_t domid;
    unsigned int nr_bufs;
    struct xen_dm_op_buf buf[2];
};

int dm_op(const struct dmop_args *op_args);

/* There is no device model here. */
static inline int arch_dm_op(const struct dmop_args *op_args)
{
    (void)op_args;

    return -EOPNOTSUPP;
}

#endif
