/* gatehouse help [VERB], gatehouse version. */
#include "cmd/verbs.h"

#include <openssl/crypto.h>

static gh_val *verb_row(gh_call *call, const gh_verb *verb)
{
  gh_val *row = gh_val_object(&call->arena);
  gh_val_set(&call->arena, row, GH_STR("verb"), gh_val_str(&call->arena, gh_str_of(verb->words)));
  gh_val_set(&call->arena, row, GH_STR("help"), gh_val_str(&call->arena, gh_str_of(verb->help)));
  return row;
}

static gh_exit list_verbs(gh_call *call)
{
  gh_val *rows = gh_val_array(&call->arena);
  for (size_t i = 0; gh_verbs[i]; i++) gh_val_push(rows, verb_row(call, gh_verbs[i]));
  if (call->json) return gh_call_done(call, rows);
  fprintf(call->out, "usage: gatehouse VERB [OPTION...] [OPERAND...]\n\n");
  for (size_t i = 0; gh_verbs[i]; i++) fprintf(call->out, "  %-20s %s\n", gh_verbs[i]->words, gh_verbs[i]->help);
  fprintf(call->out, "\ngatehouse help VERB tells more. Exit code: 0 done, 1 refused, 2 usage, 3 failure.\n");
  return GH_EXIT_DONE;
}

/* "mef enrolee" names no verb but the beginning of some. */
static bool list_beginning(gh_call *call, gh_str words)
{
  gh_val *rows = gh_val_array(&call->arena);
  for (size_t i = 0; gh_verbs[i]; i++) {
    if (!gh_str_starts(gh_str_of(gh_verbs[i]->words), words)) continue;
    if (!call->json) fprintf(call->out, "  %-20s %s\n", gh_verbs[i]->words, gh_verbs[i]->help);
    gh_val_push(rows, verb_row(call, gh_verbs[i]));
  }
  if (call->json && rows->u.array.count) gh_call_done(call, rows);
  return rows->u.array.count > 0;
}

static gh_exit run_help(gh_call *call)
{
  if (call->operand_count == 0) return list_verbs(call);
  gh_str words = call->operands[0];
  for (size_t i = 1; i < call->operand_count; i++)
    words = gh_arena_fmt(&call->arena, "%.*s %.*s", GH_STR_ARG(words), GH_STR_ARG(call->operands[i]));
  for (size_t i = 0; gh_verbs[i]; i++) {
    if (!gh_str_eq(gh_str_of(gh_verbs[i]->words), words)) continue;
    if (call->json) return gh_call_done(call, gh_call_usage_value(&call->arena, gh_verbs[i]));
    gh_call_print_usage(call->out, gh_verbs[i]);
    return GH_EXIT_DONE;
  }
  if (list_beginning(call, words)) return GH_EXIT_DONE;
  return gh_call_misused(call, "no verb '%.*s'", GH_STR_ARG(words));
}

const gh_verb gh_verb_help = {
    .words = "help",
    .operands = "[VERB]",
    .max_operands = 3,
    .help = "what a verb does, or the list of verbs",
    .run = run_help,
};

static gh_exit run_version(gh_call *call)
{
  gh_val *o = gh_val_object(&call->arena);
  gh_val_set(&call->arena, o, GH_STR("gatehouse"), gh_val_str(&call->arena, GH_STR(GH_VERSION)));
  gh_val_set(&call->arena, o, GH_STR("openssl"),
             gh_val_str(&call->arena, gh_str_of(OpenSSL_version(OPENSSL_VERSION_STRING))));
  return gh_call_done(call, o);
}

const gh_verb gh_verb_version = {
    .words = "version",
    .operands = "",
    .help = "version of the program and of its cryptographic library",
    .run = run_version,
};
