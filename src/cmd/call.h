/* One call of the command line: the verb, its options and operands, and how the answer is shown. A verb is one file
 * with one gh_verb and one row in verbs.c. */
#ifndef GH_CMD_CALL_H
#define GH_CMD_CALL_H

#include <stdio.h>

#include "base/arena.h"
#include "m2m/value.h"

typedef enum gh_exit { GH_EXIT_DONE = 0, GH_EXIT_REFUSED = 1, GH_EXIT_USAGE = 2, GH_EXIT_FAILED = 3 } gh_exit;

typedef enum gh_opt_kind {
  GH_OPT_FLAG,
  GH_OPT_TEXT,
  GH_OPT_NUMBER, /* a decimal number, not negative */
  GH_OPT_DAYS,   /* 1 to 36500 */
  GH_OPT_CHOICE, /* one of those that `value` lists: "yes|no" */
  GH_OPT_MANY    /* text, may be given again */
} gh_opt_kind;

typedef struct gh_opt {
  const char *name; /* without the dashes; NULL ends a table */
  char letter;      /* short form, or 0 */
  gh_opt_kind kind;
  const char *value; /* "FILE", for the help */
  const char *help;
} gh_opt;

typedef struct gh_call gh_call;

typedef struct gh_verb {
  const char *words;    /* "mef enrolee add" */
  const char *operands; /* "REALM [KEYID]" */
  int min_operands, max_operands;
  const char *help;      /* one line */
  const char *details;   /* further text of `gatehouse help VERB`, or NULL */
  const gh_opt *options; /* beside --json and --help, which every verb has; or NULL */
  gh_exit (*run)(gh_call *call);
} gh_verb;

enum { GH_CALL_MAX_OPERANDS = 16, GH_CALL_MAX_VALUES = 64 };

typedef struct gh_opt_value {
  const gh_opt *option;
  gh_str text;
  int64_t number;
} gh_opt_value;

struct gh_call {
  const gh_verb *verb; /* NULL: the words were no verb's */
  gh_arena arena;
  bool json;
  gh_err failed; /* what gh_call_failed was told; GH_OK before */
  FILE *out, *err;
  gh_str operands[GH_CALL_MAX_OPERANDS]; /* NUL-terminated behind their length, as all text from the command line */
  size_t operand_count;
  gh_opt_value values[GH_CALL_MAX_VALUES];
  size_t value_count;
};

/* The whole program. */
gh_exit gh_cli_run(int argc, char **argv, FILE *out, FILE *err);

/* Reads options and operands behind the verb's words; false after an error was written. */
bool gh_call_parse(gh_call *call, int argc, char **argv);
/* Usage, options and details of a verb. */
void gh_call_print_usage(FILE *to, const gh_verb *verb);
/* The same as an object: verb, operands, help, details, options. */
gh_val *gh_call_usage_value(gh_arena *arena, const gh_verb *verb);

/* What was given. The names are those of the verb's table. */
bool gh_call_has(const gh_call *call, const char *option);
gh_str gh_call_text(const gh_call *call, const char *option, gh_str otherwise);
int64_t gh_call_number(const gh_call *call, const char *option, int64_t otherwise);
/* The i-th value of an option, or GH_STR_NONE (ptr NULL) behind the last. */
gh_str gh_call_nth(const gh_call *call, const char *option, size_t i);

/* Answers: an object, as one line of JSON or as "name: value" lines. They return the exit code. */
gh_exit gh_call_done(gh_call *call, const gh_val *result);
gh_exit gh_call_refused(gh_call *call, const gh_val *result);
/* GH_EXIT_FAILED; with --json also an object {"error","text"}. */
gh_exit gh_call_failed(gh_call *call, gh_err err, const gh_diag *diag);
/* GH_EXIT_USAGE; the text names the option or operand. With --json an object {"error":"usage","text"}. */
gh_exit gh_call_misused(gh_call *call, const char *fmt, ...) GH_PRINTF(2, 3);
/* A line for the reader's eye; nothing with --json. */
void gh_call_note(gh_call *call, const char *fmt, ...) GH_PRINTF(2, 3);

#endif
