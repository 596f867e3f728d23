/* How a verb's answer is shown: one line of JSON, or lines for the eye. Octets from outside never reach a terminal
 * raw. */
#include <ctype.h>
#include <stdarg.h>

#include "cmd/call.h"
#include "m2m/json.h"

static bool plain(gh_str text)
{
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) return false;
  return true;
}

static void add_scalar(gh_buf *out, const gh_val *value)
{
  if (value->type == GH_VAL_STR && plain(value->u.str))
    gh_buf_add(out, value->u.str);
  else
    gh_json_write(out, value);
}

static bool is_table(const gh_val *value)
{
  return value->type == GH_VAL_ARRAY && value->u.array.first && value->u.array.first->type == GH_VAL_OBJECT;
}

static bool is_list(const gh_val *value)
{
  return value->type == GH_VAL_ARRAY && !is_table(value);
}

/* ---- tables: the columns are the members of the first row */

enum { MAX_COLUMNS = 16 };

static size_t cell_width(gh_arena *arena, const gh_val *row, gh_str name, gh_str *text)
{
  const gh_val *value = gh_val_get(row, name);
  gh_buf cell = GH_BUF_INIT;
  if (value) add_scalar(&cell, value);
  *text = gh_arena_dup(arena, gh_buf_str(&cell));
  gh_buf_free(&cell);
  return text->len;
}

static void add_row(gh_buf *out, const gh_str *cells, const size_t *widths, size_t count)
{
  for (size_t c = 0; c < count; c++) {
    gh_buf_add(out, cells[c]);
    for (size_t pad = cells[c].len; c + 1 < count && pad < widths[c] + 2; pad++) gh_buf_add_char(out, ' ');
  }
  gh_buf_add_char(out, '\n');
}

static void add_table(gh_arena *arena, gh_buf *out, const gh_val *rows)
{
  gh_str names[MAX_COLUMNS], cells[MAX_COLUMNS];
  size_t widths[MAX_COLUMNS], count = 0;
  for (const gh_member *m = rows->u.array.first->u.object.first; m && count < MAX_COLUMNS; m = m->next)
    names[count++] = m->name;
  for (size_t c = 0; c < count; c++) {
    widths[c] = names[c].len;
    for (const gh_val *row = rows->u.array.first; row; row = row->next) {
      size_t width = cell_width(arena, row, names[c], &cells[c]);
      if (width > widths[c]) widths[c] = width;
    }
  }
  add_row(out, names, widths, count);
  for (const gh_val *row = rows->u.array.first; row; row = row->next) {
    for (size_t c = 0; c < count; c++) cell_width(arena, row, names[c], &cells[c]);
    add_row(out, cells, widths, count);
  }
}

/* ---- objects */

static void add_member(gh_arena *arena, gh_buf *out, const gh_member *m)
{
  if (is_table(m->value)) {
    add_table(arena, out, m->value);
    return;
  }
  gh_buf_add(out, m->name);
  gh_buf_add(out, GH_STR(":"));
  if (m->value->type == GH_VAL_OBJECT) {
    gh_buf_add_char(out, '\n');
    gh_json_write_pretty(out, m->value);
    return;
  }
  if (is_list(m->value)) {
    for (const gh_val *v = m->value->u.array.first; v; v = v->next) {
      gh_buf_add_char(out, ' ');
      add_scalar(out, v);
    }
  } else {
    gh_buf_add_char(out, ' ');
    add_scalar(out, m->value);
  }
  gh_buf_add_char(out, '\n');
}

static void show(gh_call *call, const gh_val *result)
{
  gh_buf text = GH_BUF_INIT;
  if (call->json) {
    gh_json_write(&text, result);
    gh_buf_add_char(&text, '\n');
  } else if (is_table(result)) {
    add_table(&call->arena, &text, result);
  } else if (result->type == GH_VAL_OBJECT) {
    for (const gh_member *m = result->u.object.first; m; m = m->next) add_member(&call->arena, &text, m);
  }
  if (text.len) fwrite(text.ptr, 1, text.len, call->out);
  gh_buf_free(&text);
}

gh_exit gh_call_done(gh_call *call, const gh_val *result)
{
  show(call, result);
  return GH_EXIT_DONE;
}

gh_exit gh_call_refused(gh_call *call, const gh_val *result)
{
  show(call, result);
  return GH_EXIT_REFUSED;
}

static void show_error(gh_call *call, const char *name, gh_str text)
{
  gh_val *o = gh_val_object(&call->arena);
  gh_val_set(&call->arena, o, GH_STR("error"), gh_val_str(&call->arena, gh_str_of(name)));
  gh_val_set(&call->arena, o, GH_STR("text"), gh_val_str(&call->arena, text));
  show(call, o);
}

gh_exit gh_call_failed(gh_call *call, gh_err err, const gh_diag *diag)
{
  const char *text = diag && diag->text[0] ? diag->text : gh_err_name(err);
  call->failed = err;
  if (call->json) {
    show_error(call, gh_err_name(err), gh_str_of(text));
  } else {
    fprintf(call->err, "gatehouse %s: %s\n", call->verb->words, text);
  }
  return GH_EXIT_FAILED;
}

gh_exit gh_call_misused(gh_call *call, const char *fmt, ...)
{
  char text[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  const char *words = call->verb ? call->verb->words : "", *blank = call->verb ? " " : "";
  if (call->json)
    show_error(call, "usage", gh_arena_fmt(&call->arena, "%s; see gatehouse help%s%s", text, blank, words));
  else
    fprintf(call->err, "gatehouse%s%s: %s; see gatehouse help%s%s\n", blank, words, text, blank, words);
  return GH_EXIT_USAGE;
}

void gh_call_note(gh_call *call, const char *fmt, ...)
{
  if (call->json) return;
  va_list args;
  va_start(args, fmt);
  vfprintf(call->out, fmt, args);
  fputc('\n', call->out);
  va_end(args);
}
