/* SPDX-License-Identifier: GPL-2.0-only */
/* Code and page tables of a simulated guest: real bytes, for an agent to read. */
#include "guest.h"
#include "cpu.h"

static const struct {
    const char *word;
    enum guest_op op;
    uint8_t len;
    uint8_t code[8];
} insns[] = {
    { "gr",    OP_GUEST_REQUEST, 3, { 0x0f, 0x01, 0xc1 } },       /* vmcall */
    { "cr0",   OP_CR0,   3, { 0x0f, 0x22, 0xc0 } },           /* mov %rax,%cr0 */
    { "cr3",   OP_CR3,   3, { 0x0f, 0x22, 0xd8 } },
    { "cr4",   OP_CR4,   3, { 0x0f, 0x22, 0xe0 } },
    { "msr",   OP_MSR,   2, { 0x0f, 0x30 } },                 /* wrmsr */
    { "cpuid", OP_CPUID, 2, { 0x0f, 0xa2 } },
    { "int3",  OP_INT3,  1, { 0xcc } },
    { "desc",  OP_SGDT,  4, { 0x0f, 0x01, 0x04, 0x24 } },     /* sgdt (%rsp) */
    { "desc",  OP_SIDT,  4, { 0x0f, 0x01, 0x0c, 0x24 } },
    { "desc",  OP_LIDT,  4, { 0x0f, 0x01, 0x1c, 0x24 } },
    { "mem",   OP_MEM,   3, { 0x48, 0x89, 0x03 } },           /* mov %rax,(%rbx) */
    { "irq",   OP_IRQ,   1, { 0x90 } },                       /* nop */
};

static void emit(struct guest_program *prog, uint8_t *code, enum guest_op op,
                 const uint8_t *bytes, uint8_t len)
{
    struct guest_insn *insn = &prog->insn[prog->nr];

    insn->op = op;
    insn->at = prog->nr ? insn[-1].at + insn[-1].len : 0;
    insn->len = len;
    memcpy(code + insn->at, bytes, len);
    prog->nr++;
}

const char *guest_compile(struct guest_program *prog, const char *words,
                          uint8_t *ram)
{
    uint8_t *code = ram + SIM_CODE_PHYS;
    static char word[16];
    uint8_t jump[2] = { 0xeb };
    unsigned int i;

    prog->nr = 0;
    while ( *words )
    {
        size_t n = strcspn(words, "+");
        bool known = false;

        snprintf(word, sizeof(word), "%.*s", (int)n, words);
        for ( i = 0; i < ARRAY_SIZE(insns); i++ )
            if ( !strcmp(insns[i].word, word) &&
                 prog->nr < GUEST_MAX_INSNS - 1 )
            {
                emit(prog, code, insns[i].op, insns[i].code, insns[i].len);
                known = true;
            }
        if ( !known )
            return word;
        words += n + (words[n] == '+');
    }

    /* Back to the start: the displacement counts from behind the jump. */
    i = prog->nr ? prog->insn[prog->nr - 1].at + prog->insn[prog->nr - 1].len : 0;
    jump[1] = -(i + 2);
    emit(prog, code, OP_LOOP, jump, sizeof(jump));

    return NULL;
}

#define PTE_P   0x001ULL
#define PTE_RW  0x002ULL
#define PTE_PS  0x080ULL

/*
 * One level of each, twice.  Entry 0 of the upper levels gives the addresses
 * from 0, the last ones those from SIM_KERNEL_VA; both lead to the same frames.
 */
void guest_page_tables(uint8_t *ram)
{
    unsigned int set, i;

    for ( set = 0; set < 2; set++ )
    {
        uint64_t base = SIM_PML4_PHYS + set * SIM_PML4_SIZE;
        uint64_t *pml4 = (uint64_t *)(ram + base);
        uint64_t *pdpt = (uint64_t *)(ram + base + PAGE_SIZE);
        uint64_t *pd = (uint64_t *)(ram + base + 2 * PAGE_SIZE);

        pml4[0] = pml4[511] = (base + PAGE_SIZE) | PTE_P | PTE_RW;
        pdpt[0] = pdpt[510] = (base + 2 * PAGE_SIZE) | PTE_P | PTE_RW;
        for ( i = 0; i < GUEST_RAM_BYTES >> 21; i++ )
            pd[i] = ((uint64_t)i << 21) | PTE_P | PTE_RW | PTE_PS;
    }
}
