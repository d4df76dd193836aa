/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm_event: events of a guest for an introspection agent.
 *
 * Two ABIs stand on one core.  Version 2 (public/vm_event_v2.h) has one sync
 * slot per vCPU and lossy rings in memory of Xen's; the legacy one
 * (public/vm_event.h) has one ring in a guest frame per kind of event.  At
 * most one agent of either kind is attached to a domain's monitor events.
 *
 * Xen never waits for an agent.  A request that finds no room goes to the
 * stash of its vCPU, which stays paused until the stash has been emptied; see
 * common/vm_event/private.h for locks and their order.
 */
#ifndef XEN_VM_EVENT_H
#define XEN_VM_EVENT_H

#include <xen/sched.h>
#include <public/vm_event.h>

struct vm_event_domain;     /* one legacy ring */
struct xen_domctl_monitor_op;
struct xen_domctl_vm_event_op;

/* Life of a domain. */
void vm_event_domain_init(struct domain *d);
/* Called by domain_kill() once is_dying is set, before it tears down. */
void vm_event_domain_dying(struct domain *d);
/* The domain has shut down; the caller holds shutdown_lock. */
void vm_event_domain_shutdown(struct domain *d);
/* Frees what an agent could map.  Preemptible: -ERESTART until done. */
int vm_event_teardown(struct domain *d);
/* Last reference gone: frees everything else. */
void vm_event_domain_free(struct domain *d);
/* It goes on after all. */
void vm_event_domain_resume(struct domain *d);
/* The toolstack has paused it once more, or once less. */
void vm_event_domain_paused(struct domain *d);
/* The vCPU loses its state: what it waits for is void. */
void vm_event_vcpu_reset(struct vcpu *v);

/* Is somebody there who gets this domain's monitor events? */
bool vm_event_monitored(const struct domain *d);

/*
 * Called on v == current while it is on its way into the guest: the first
 * carries out an answer, the second publishes what waits in the stash.  True:
 * some event still has no answer, or none that was carried out, so what hangs
 * on one must wait for the next pass, which is certain to come.
 */
void vm_event_resume_begin(struct vcpu *v);
bool vm_event_resume_end(struct vcpu *v);
/* Has v raised anything that resume_end has not seen the end of? */
bool vm_event_busy(const struct vcpu *v);
#ifdef CONFIG_ARM
/* Both steps, for Arm's entry path; true: look again. */
bool vm_event_check_entry(struct vcpu *v);
#endif

void vm_event_vcpu_pause(struct vcpu *v);
void vm_event_vcpu_unpause(struct vcpu *v);

/* Control planes. */
int vm_event_domctl(struct domain *d, struct xen_domctl_vm_event_op *vec);
int vm_event_monitor_domctl(struct domain *d, struct xen_domctl_monitor_op *mop);
unsigned int vm_event_resource_frames(const struct domain *d, unsigned int id);
int vm_event_resource_acquire(struct domain *d, unsigned int id,
                              unsigned int frame, unsigned int nr_frames,
                              xen_pfn_t mfn_list[]);

/*
 * A port of rd whose consumer is Xen was bound by, or lost, its remote end
 * lport.  Both event locks and both channel locks are held.
 */
void vm_event_port_bound(struct domain *rd, evtchn_port_t rport,
                         evtchn_port_t lport);
void vm_event_port_closed(struct domain *rd, evtchn_port_t rport);

/*
 * Legacy rings: claim, then put or cancel.  A guest vCPU's claim fails only
 * when its stash is full (-EBUSY); with nosleep, and for other domains, also
 * when the ring is.  -EOPNOTSUPP: there is no ring.
 */
#ifdef CONFIG_VM_EVENT_LEGACY
/* The domain is dead: puts the rings, which hold guest frames. */
void vm_event_cleanup(struct domain *d);
bool vm_event_check_ring(const struct vm_event_domain *ved);
int __vm_event_claim_slot(struct domain *d, struct vm_event_domain *ved,
                          bool may_stash);
void vm_event_cancel_slot(struct domain *d, struct vm_event_domain *ved);
void vm_event_put_request(struct domain *d, struct vm_event_domain *ved,
                          vm_event_request_t *req);

static inline int vm_event_claim_slot(struct domain *d,
                                      struct vm_event_domain *ved)
{
    return __vm_event_claim_slot(d, ved, true);
}

static inline int vm_event_claim_slot_nosleep(struct domain *d,
                                              struct vm_event_domain *ved)
{
    return __vm_event_claim_slot(d, ved, false);
}
#else
static inline void vm_event_cleanup(struct domain *d) {}

static inline bool vm_event_check_ring(const struct vm_event_domain *ved)
{
    return false;
}
#endif

/* Architecture: legacy. */
void vm_event_fill_regs(vm_event_request_t *req);
void vm_event_set_registers(struct vcpu *v, vm_event_response_t *rsp);
void vm_event_monitor_next_interrupt(struct vcpu *v);

/* Architecture: version 2. */
struct vmev2_rsp;
struct vmev2_set_regs;
/* Writes the registers of current to dst; returns how many bytes. */
unsigned int arch_vm_event_regs(void *dst, unsigned int set,
                                const vm_event_request_t *req);
/* May these registers be loaded?  A pure function of its argument. */
bool arch_vm_event_regs_valid(const struct vmev2_set_regs *regs);
/* VMEV2_RSP_* that this host can apply to this domain. */
uint32_t arch_vm_event_rsp_flags(const struct domain *d);
unsigned int arch_vm_event_views(const struct domain *d);
uint64_t arch_vm_event_features(const struct domain *d);
bool arch_vm_event_supported(const struct domain *d);
void arch_vm_event_convert_regs(vm_event_response_t *to,
                                const struct vmev2_set_regs *from);
/* v == current: carry out a response that has been validated. */
void arch_vm_event_apply(struct vcpu *v, vm_event_response_t *rsp);
int arch_vm_event_defer_writes(struct domain *d);
/* The agent has gone: no more stepping.  v is paused. */
void arch_vm_event_stop(struct vcpu *v);
/* Forgets what was to be done to v on its way into the guest. */
void arch_vm_event_reset(struct vcpu *v);
uint64_t arch_vm_event_clock(void);
/* Where current is in its guest. */
uint64_t arch_vm_event_ip(void);

#endif /* XEN_VM_EVENT_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
