/* Runs the command line in this process and catches what it says. */
#ifndef GH_TEST_CMD_CLI_H
#define GH_TEST_CMD_CLI_H

#include "../client/temp_dir.h"

#include "cmd/call.h"
#include "m2m/json.h"

typedef struct said {
  char out[65536], err[8192];
  int code;
} said;

/* Arguments behind "gatehouse"; the last one NULL. */
static inline said *cli_args(const char *const *args)
{
  static said s;
  char *argv[64] = {(char[]){"gatehouse"}};
  int argc = 1;
  for (; args[argc - 1]; argc++) argv[argc] = strdup(args[argc - 1]);
  s = (said){.code = -1};
  FILE *out = fmemopen(s.out, sizeof(s.out), "w"), *err = fmemopen(s.err, sizeof(s.err), "w");
  s.code = (int)gh_cli_run(argc, argv, out, err);
  fclose(out);
  fclose(err);
  for (int i = 1; i < argc; i++) free(argv[i]);
  return &s;
}
#define cli(...) cli_args((const char *const[]){__VA_ARGS__, NULL})

/* The call must end with `want`. */
#define cli_expect(want, ...)                                                                                        \
  do {                                                                                                               \
    said *said_ = cli(__VA_ARGS__);                                                                                  \
    if (said_->code != (want)) fail_msg("exit %d, want %d: %s%s", said_->code, (int)(want), said_->out, said_->err); \
  } while (0)

/* A member of an object that was said as JSON; "" when absent. Good until the next call. */
static inline const char *json_text(const char *json, const char *name)
{
  static char text[512];
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *root;
  gh_diag diag = {""};
  gh_str line = gh_str_of(json), value = GH_STR_NONE;
  text[0] = '\0';
  if (gh_json_parse(&arena, line, &gh_json_default_limits, &root, &diag) != GH_OK)
    fail_msg("no JSON (%s): %s", diag.text, json);
  const gh_val *member = gh_val_get(root, gh_str_of(name));
  if (member && member->type == GH_VAL_INT) snprintf(text, sizeof(text), "%d", (int)member->u.integer);
  if (gh_val_get_str(root, gh_str_of(name), &value)) gh_str_to_cstr(value, text, sizeof(text));
  gh_arena_free(&arena);
  return text;
}

#endif
