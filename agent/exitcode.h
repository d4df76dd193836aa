/* SPDX-License-Identifier: MIT */
/* Exit codes of vmi-agent.  Published in docs/AGENT.md: never renumber. */
#ifndef AGENT_EXITCODE_H
#define AGENT_EXITCODE_H

#include <stdio.h>

enum exit_code {
    EXIT_OK = 0,         /* asked to stop, or -c or --duration was reached */
    EXIT_INTERNAL = 1,   /* anything without a number of its own */
    EXIT_USAGE = 2,      /* the command line */
    EXIT_NO_DOMAIN = 3,  /* no such domain */
    EXIT_PERMISSION = 4, /* no permission to use Xen, or to watch this domain */
    EXIT_NO_XEN = 5,     /* no Xen here, or no vmi-sim at that socket */
    EXIT_BUSY = 6,       /* another agent is attached */
    EXIT_NO_ABI = 7,     /* the ABI, or a capability, is not offered */
    EXIT_GONE = 8,       /* the domain went away while it was watched */
    EXIT_TAKEN = 9,      /* another agent took the channel over */
    EXIT_NO_EVENT = 10,  /* an event that was asked for cannot be raised here */
    EXIT_PRIVILEGE = 11, /* privileges could not be dropped */
    EXIT_NO_CHANNEL = 12, /* nothing there to re-attach to */
    EXIT_ENDED = 13      /* the channel was ended: by its deadline, or --release */
};

/* The exit code for an errno of vmiring_open() and its relatives. */
enum exit_code exit_code_of_open(int err);

/* What to do about it: a line on out, or none when the error says it all. */
void exit_print_hint(enum exit_code code, FILE *out);

#endif /* AGENT_EXITCODE_H */
