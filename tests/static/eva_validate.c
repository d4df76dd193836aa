/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For Frama-C Eva: the response validator on a response, and rules, that are
 * anything.  Its header brings all of Xen; what it needs of that stands here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "__fc_builtin.h"
#include "../../xen/include/public/vm_event_v2.h"

#define VM_EVENT_PRIVATE_H
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

struct vm_event_rules {
    uint32_t reason;
    uint32_t flags;
    unsigned int views;
};

static volatile int anything;

/* x86's looks at two words of the registers; see tests/fuzz/fuzz_validate.c. */
static bool arch_vm_event_regs_valid(const struct vmev2_set_regs *regs)
{
    uint64_t sum = regs->word[0] ^ regs->word[17];

    return sum & anything & 1;
}

#include "../../xen/common/vm_event/validate.c"

int main(void)
{
    struct vmev2_rsp rsp;
    struct vm_event_rules rules;
    uint32_t error;

    Frama_C_make_unknown((char *)&rsp, sizeof(rsp));
    Frama_C_make_unknown((char *)&rules, sizeof(rules));
    error = vm_event_validate(&rsp, &rules);
    //@ assert error <= 6;

    return 0;
}
