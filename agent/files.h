/* SPDX-License-Identifier: MIT */
/* The files and the statistics of a watch: opened, reopened, written. */
#ifndef AGENT_FILES_H
#define AGENT_FILES_H

#include "watch_private.h"

/*
 * Before privileges are dropped: opens what the command line names, compiles
 * the filter, loads the rules.  An error is on stderr.
 */
enum exit_code files_open(struct watch *w);
/* After: can they be opened again? */
enum exit_code files_check(struct watch *w);
/* The lines go to a file, which is open now; fd is taken.  -1 and errno. */
int files_behind(struct watch *w, int fd);
/* Starts the threads that write: they have no more privileges than we by now. */
enum exit_code files_start(struct watch *w);
/* Adds the timer.  A negative errno. */
int files_watch(struct watch *w);
/* SIGHUP.  false: there is nothing to open again. */
bool files_reopen(struct watch *w);
/* Now, for those who read the textfile. */
void files_write_metrics(struct watch *w);
void files_close(struct watch *w);

#endif /* AGENT_FILES_H */
