/* SPDX-License-Identifier: MIT */
/* -o journal: entries for systemd's journal, printed by print_journal. */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

/* A socket to the journal (of $VMI_JOURNAL_SOCKET).  -1 and errno. */
int journal_connect(void);

#endif /* AGENT_JOURNAL_H */
