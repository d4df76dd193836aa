/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_ASM_VM_EVENT_H
#define SIM_ASM_VM_EVENT_H

#include <xen/sched.h>
#include <public/vm_event.h>

/* A register write that waits for the answer to its event. */
struct monitor_write_data {
    struct {
        bool msr, cr0, cr3, cr4;
    } do_write;
    bool cr3_noflush;
    uint32_t msr;
    uint64_t value;
    uint64_t cr0, cr3, cr4;
};

struct arch_vm_event {
    uint32_t emulate_flags;
    union {
        struct vm_event_emul_read_data read;
        struct vm_event_emul_insn_data insn;
    } emul;
    struct monitor_write_data write_data;
    struct vm_event_regs_x86 gprs;
    bool set_gprs;
    bool sync_event;
    bool send_event;
};

int vm_event_init_domain(struct domain *d);
void vm_event_cleanup_domain(struct domain *d);
void vm_event_toggle_singlestep(struct domain *d, struct vcpu *v,
                                vm_event_response_t *rsp);
void vm_event_register_write_resume(struct vcpu *v, vm_event_response_t *rsp);
void vm_event_emulate_check(struct vcpu *v, vm_event_response_t *rsp);
void vm_event_sync_event(struct vcpu *v, bool value);
void vm_event_reset_vmtrace(struct vcpu *v);

#endif
