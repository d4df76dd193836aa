/* SPDX-License-Identifier: MIT */
/* The commands that do not watch. */
#ifndef AGENT_COMMANDS_H
#define AGENT_COMMANDS_H

#include "cli.h"

enum exit_code command_list(const struct config *cfg);
enum exit_code command_status(const struct config *cfg);
enum exit_code command_release(const struct config *cfg);
enum exit_code command_probe(const struct config *cfg);
enum exit_code command_version(void);

#endif /* AGENT_COMMANDS_H */
