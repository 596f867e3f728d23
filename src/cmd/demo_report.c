/* What the demonstration says, and the table at its end. */
#include <stdarg.h>

#include "base/buf.h"

#include "cmd/demo_story.h"

enum { ARGS_MAX = 32 };

static void GH_PRINTF(3, 0) say(gh_demo *demo, const char *before, const char *fmt, va_list args)
{
  if (demo->call->json) return;
  gh_str text = gh_arena_vfmt(demo->arena, fmt, args);
  fprintf(demo->call->out, "%s%.*s\n", before, GH_STR_ARG(text));
  fflush(demo->call->out);
}

void gh_demo_title(gh_demo *demo, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  say(demo, "\n== ", fmt, args);
  va_end(args);
}

void gh_demo_say(gh_demo *demo, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  say(demo, "   ", fmt, args);
  va_end(args);
}

bool gh_demo_expect(gh_demo *demo, bool held, const char *title, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  gh_str detail = gh_arena_vfmt(demo->arena, fmt, args);
  va_end(args);
  if (demo->check_count < GH_DEMO_CHECKS_MAX)
    demo->checks[demo->check_count++] = (gh_demo_check){gh_str_of(title), detail, held};
  gh_demo_say(demo, "%s %s%s%.*s", held ? "[ok]  " : "[FAIL]", title, detail.len ? ": " : "", GH_STR_ARG(detail));
  return held;
}

static gh_exit table_json(gh_demo *demo, size_t failed)
{
  gh_arena *a = demo->arena;
  gh_val *all = gh_val_object(a), *list = gh_val_array(a);
  for (size_t i = 0; i < demo->check_count; i++) {
    gh_val *row = gh_val_object(a);
    gh_val_set(a, row, GH_STR("check"), gh_val_str(a, demo->checks[i].title));
    gh_val_set(a, row, GH_STR("held"), gh_val_bool(a, demo->checks[i].held));
    gh_val_set(a, row, GH_STR("detail"), gh_val_str(a, demo->checks[i].detail));
    gh_val_push(list, row);
  }
  gh_val_set(a, all, GH_STR("checks"), list);
  gh_val_set(a, all, GH_STR("held"), gh_val_int(a, (int64_t)(demo->check_count - failed)));
  gh_val_set(a, all, GH_STR("failed"), gh_val_int(a, (int64_t)failed));
  return failed ? gh_call_refused(demo->call, all) : gh_call_done(demo->call, all);
}

gh_exit gh_demo_table(gh_demo *demo)
{
  size_t failed = 0;
  for (size_t i = 0; i < demo->check_count; i++) failed += !demo->checks[i].held;
  if (demo->call->json) return table_json(demo, failed);
  gh_demo_title(demo, "Checks");
  for (size_t i = 0; i < demo->check_count; i++)
    gh_demo_say(demo, "%-4s  %.*s", demo->checks[i].held ? "ok" : "FAIL", GH_STR_ARG(demo->checks[i].title));
  gh_demo_say(demo, "%zu held, %zu failed", demo->check_count - failed, failed);
  return failed ? GH_EXIT_REFUSED : GH_EXIT_DONE;
}

/* The command line as a newcomer would type it: the folder of the demonstration is left out. */
static void show_command(gh_demo *demo, const char *const *args)
{
  gh_buf line = GH_BUF_INIT;
  gh_str prefix = gh_arena_fmt(demo->arena, "%.*s/", GH_STR_ARG(demo->dir));
  for (size_t i = 0; args[i]; i++) {
    gh_str arg = gh_str_of(args[i]);
    if (gh_str_starts(arg, prefix)) arg = gh_str_sub(arg, prefix.len, SIZE_MAX);
    bool quote = gh_str_find(arg, '"') != SIZE_MAX || gh_str_find(arg, ' ') != SIZE_MAX;
    gh_buf_fmt(&line, quote ? " '%.*s'" : " %.*s", GH_STR_ARG(arg));
  }
  gh_demo_say(demo, "$ gatehouse%.*s", GH_STR_ARG(gh_buf_str(&line)));
  gh_buf_free(&line);
}

bool gh_demo_cli(gh_demo *demo, gh_run_result *result, ...)
{
  const char *args[ARGS_MAX];
  size_t n = 0;
  va_list list;
  va_start(list, result);
  while (n < ARGS_MAX - 1 && (args[n] = va_arg(list, const char *))) n++;
  va_end(list);
  args[n] = NULL;
  show_command(demo, args);
  *result = (gh_run_result){.exit_code = -1};
  gh_err err = gh_demo_run(demo->arena, args, GH_STR_NONE, result);
  if (err != GH_OK) gh_demo_say(demo, "could not be run: %s", gh_err_name(err));
  if (err == GH_OK && result->exit_code > 1) gh_demo_say(demo, "%.*s", GH_STR_ARG(result->err));
  return err == GH_OK;
}

gh_str gh_demo_text(const gh_run_result *result, const char *name)
{
  gh_str text = GH_STR("");
  if (result->json) gh_val_get_str(result->json, gh_str_of(name), &text);
  return text;
}

int gh_demo_number(const gh_run_result *result, const char *name)
{
  int64_t number = 0;
  if (result->json) gh_val_get_int(result->json, gh_str_of(name), &number);
  return (int)number;
}

const gh_val *gh_demo_content(const gh_run_result *result)
{
  const gh_val *content = result->json ? gh_val_get(result->json, GH_STR("content")) : NULL;
  gh_str root;
  gh_val *inner = NULL;
  return content && gh_val_unwrap(content, &root, &inner) ? inner : NULL;
}
