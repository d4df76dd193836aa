/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

/*
 * Kept free for what the library itself reports: a loss that went unprinted
 * because there was too much to print would be a second loss.
 */
#define QUEUE_RESERVE 64U

#define X86_CR0_PE    (1ULL << 0)
#define X86_EFER_LMA  (1ULL << 10)
#define X86_AR_L      (1ULL << 9)   /* as in a VMCB */
#define X86_AR_D      (1ULL << 10)
#define ARM_PSR_NRW   (1ULL << 4)   /* AArch32 */
#define ARM_PSR_T     (1ULL << 5)   /* there: Thumb */

/* In the order of enum vmiring_reg. */
static const char *const x86_names[] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags",
    "cr0", "cr2", "cr3", "cr4", "efer", "tsc",
    "cs_base", "cs_ar", "cs_sel", "cs_limit",
    "ss_base", "ss_sel", "ds_base", "ds_sel", "es_base", "es_sel",
    "fs_base", "fs_sel", "gs_base", "gs_sel", "gdtr_base", "gdtr_limit",
    "shadow_gs", "dr6", "dr7", "sysenter_cs", "sysenter_esp", "sysenter_eip",
    "star", "lstar", "npt_base"
};
_Static_assert(sizeof(x86_names) / sizeof(*x86_names) == VMIRING_REG_X86_END,
               "a name for each register");
_Static_assert(VMIRING_REG_X86_END <= RECORD_REGS, "they fit");

/* From VMIRING_PC on; NULL where that enum has a hole. */
static const char *const arm_names[] = {
    "pc", "cpsr", NULL, NULL, NULL, NULL, NULL, NULL,
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
    "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
    "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", NULL,
    "sp_el0", "sp_el1", "ttbr0", "ttbr1", "tcr", "sctlr"
};
#define ARM_REGS (sizeof(arm_names) / sizeof(*arm_names))
_Static_assert(ARM_REGS == VMIRING_SCTLR - VMIRING_PC + 1, "likewise");
_Static_assert(ARM_REGS <= RECORD_REGS, "they fit");

static void capture_payload(struct record *r, const struct vmiring_event *ev)
{
    int rc = -1;

    switch ( ev->reason )
    {
    case VMIRING_WRITE_CTRLREG:
        rc = vmiring_get_ctrlreg(ev, &r->u.ctrlreg);
        break;
    case VMIRING_MOV_TO_MSR:
        rc = vmiring_get_msr(ev, &r->u.msr);
        break;
    case VMIRING_CPUID:
        rc = vmiring_get_cpuid(ev, &r->u.cpuid);
        break;
    case VMIRING_SOFTWARE_BREAKPOINT:
    case VMIRING_DEBUG_EXCEPTION:
    case VMIRING_SINGLESTEP:
        rc = vmiring_get_debug(ev, &r->u.debug);
        break;
    case VMIRING_MEM_ACCESS:
        rc = vmiring_get_mem(ev, &r->u.mem);
        break;
    case VMIRING_DESCRIPTOR_ACCESS:
        rc = vmiring_get_descriptor(ev, &r->u.descriptor);
        break;
    case VMIRING_INTERRUPT:
        rc = vmiring_get_interrupt(ev, &r->u.interrupt);
        break;
    case VMIRING_VMEXIT:
        rc = vmiring_get_vmexit(ev, &r->u.vmexit);
        break;
    case VMIRING_LOST:
        rc = vmiring_get_lost(ev, &r->u.lost);
        break;
    case VMIRING_DOMAIN:
        rc = vmiring_get_domain(ev, &r->u.domain);
        break;
    }
    r->has_payload = !rc;
}

static void capture_regs(struct record *r, const struct vmiring_event *ev)
{
    uint64_t pc;
    unsigned int nr = VMIRING_REG_X86_END, base = 0;

    if ( ev->regs == VMIRING_REGS_NONE )
        return;
    r->arm64 = !vmiring_get_reg(ev, VMIRING_PC, &pc);
    if ( r->arm64 )
    {
        nr = ARM_REGS;
        base = VMIRING_PC;
    }
    for ( unsigned int i = 0; i < nr; i++ )
        if ( !vmiring_get_reg(ev, base + i, &r->reg[i]) )
            r->reg_valid |= 1ULL << i;
}

void record_capture(struct record *r, const struct vmiring_event *ev,
                    const char *answer)
{
    *r = (struct record){
        .reason = ev->reason,
        .flags = ev->flags,
        .vcpu = ev->vcpu,
        .error = ev->error,
        .seq = ev->seq,
        .time = ev->time,
        .altp2m_view = ev->altp2m_view,
        .answer = answer,
    };
    capture_payload(r, ev);
    capture_regs(r, ev);
}

const char *record_answer_word(const char *word)
{
    static const char *const words[] = { "continue", "skip", "emulate", "deny",
                                         "set", "lift", "cancelled" };

    for ( size_t i = 0; i < sizeof(words) / sizeof(*words); i++ )
        if ( !strcmp(word, words[i]) )
            return words[i];
    return NULL;
}

bool record_reg(const struct record *r, enum vmiring_reg reg, uint64_t *value)
{
    unsigned int i = reg;

    if ( r->arm64 != (i >= VMIRING_PC) )
        return false;
    if ( r->arm64 )
        i -= VMIRING_PC;
    if ( i >= RECORD_REGS || !(r->reg_valid >> i & 1) )
        return false;
    *value = r->reg[i];
    return true;
}

const char *record_reg_name(const struct record *r, unsigned int i)
{
    if ( r->arm64 )
        return i < ARM_REGS ? arm_names[i] : NULL;
    return i < VMIRING_REG_X86_END ? x86_names[i] : NULL;
}

bool record_pc(const struct record *r, uint64_t *value)
{
    return record_reg(r, r->arm64 ? VMIRING_PC : VMIRING_RIP, value);
}

bool record_table(const struct record *r, uint64_t *value)
{
    return record_reg(r, r->arm64 ? VMIRING_TTBR0 : VMIRING_REG_CR3, value);
}

unsigned int record_code_bits(const struct record *r)
{
    uint64_t efer = 0, ar = 0, cr0 = X86_CR0_PE, cpsr = 0;

    if ( r->arm64 )
    {
        (void)record_reg(r, VMIRING_CPSR, &cpsr);
        return !(cpsr & ARM_PSR_NRW) ? 64 : cpsr & ARM_PSR_T ? 16 : 32;
    }
    (void)record_reg(r, VMIRING_EFER, &efer);
    (void)record_reg(r, VMIRING_CS_AR, &ar);
    (void)record_reg(r, VMIRING_REG_CR0, &cr0);
    if ( !(cr0 & X86_CR0_PE) )
        return 16;
    if ( (efer & X86_EFER_LMA) && (ar & X86_AR_L) )
        return 64;
    return ar & X86_AR_D ? 32 : 16;
}

void record_read_insn(struct record *r, vmiring *h,
                      const struct vmiring_event *ev)
{
    uint64_t pc, base = 0;
    int64_t got;

    if ( !record_pc(r, &pc) )
        return;
    if ( record_code_bits(r) < 64 )
    {
        (void)record_reg(r, VMIRING_CS_BASE, &base);
        pc = (base + pc) & UINT32_MAX;
    }
    r->insn_addr = pc;
    got = vmiring_read_virt(h, ev, pc, r->insn, sizeof(r->insn), NULL);
    if ( got > 0 )
    {
        r->insn_state = INSN_READ;
        r->insn_len = got;
        return;
    }
    r->insn_state = INSN_ERROR;
    r->insn_errno = got < 0 ? errno : EFAULT;
}

int record_queue_init(struct record_queue *q, unsigned int size)
{
    *q = (struct record_queue){ .size = size };
    q->slot = calloc(size, sizeof(*q->slot));
    return q->slot ? 0 : -1;
}

void record_queue_free(struct record_queue *q)
{
    free(q->slot);
    *q = (struct record_queue){ .size = 0 };
}

unsigned int record_queue_count(const struct record_queue *q)
{
    return q->tail - q->head;
}

struct record *record_queue_room(struct record_queue *q, uint32_t reason)
{
    unsigned int limit = q->size;

    if ( reason < VMIRING_LOST )
        limit -= QUEUE_RESERVE;
    if ( record_queue_count(q) >= limit )
        return NULL;
    return &q->slot[q->tail & (q->size - 1)];
}

void record_queue_push(struct record_queue *q)
{
    q->tail++;
}

const struct record *record_queue_first(const struct record_queue *q)
{
    return q->tail == q->head ? NULL : &q->slot[q->head & (q->size - 1)];
}

void record_queue_pop(struct record_queue *q)
{
    q->head++;
}
