/* Writing settings through their tables, each with its comment, so that a fresh file explains itself. */
#include "client/conf_table.h"

static void add_indent(gh_buf *out, int indent)
{
  for (int i = 0; i < indent; i++) gh_buf_add_char(out, ' ');
}

static void add_comment(gh_buf *out, const char *comment, int indent)
{
  gh_str rest = gh_str_of(comment), line;
  while (gh_str_split(&rest, '\n', &line)) {
    add_indent(out, indent);
    gh_buf_add(out, GH_STR("# "));
    gh_buf_add(out, line);
    gh_buf_add_char(out, '\n');
  }
}

static void add_text(gh_buf *out, gh_str text)
{
  gh_buf_add_char(out, '"');
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '"' || text.ptr[i] == '\\') gh_buf_add_char(out, '\\');
    gh_buf_add_char(out, text.ptr[i]);
  }
  gh_buf_add_char(out, '"');
}

static void add_texts(gh_buf *out, const gh_conf_list *list)
{
  gh_buf_add(out, GH_STR("["));
  for (size_t i = 0; i < list->count; i++) {
    gh_buf_add(out, i ? GH_STR(", ") : GH_STR(" "));
    add_text(out, list->items[i]);
  }
  gh_buf_add(out, GH_STR(" ]"));
}

static void add_number(gh_buf *out, int64_t value)
{
  bool wide = value > INT32_MAX || value < INT32_MIN;
  gh_buf_fmt(out, "%lld%s", (long long)value, wide ? "L" : "");
}

static void add_group(gh_buf *out, const gh_conf_table *table, const void *in, int indent, bool comments)
{
  gh_buf_add(out, GH_STR("{\n"));
  gh_conf_write(out, table, in, indent + 2, comments);
  add_indent(out, indent);
  gh_buf_add(out, GH_STR("}"));
}

static void add_value(gh_buf *out, const gh_conf_key *key, const void *field, int indent, bool comments)
{
  switch (key->kind) {
  case GH_CONF_TEXT: add_text(out, *(const gh_str *)field); return;
  case GH_CONF_NUMBER: add_number(out, *(const int64_t *)field); return;
  case GH_CONF_SWITCH: gh_buf_add(out, *(const bool *)field ? GH_STR("true") : GH_STR("false")); return;
  case GH_CONF_TEXTS: add_texts(out, field); return;
  case GH_CONF_GROUP: add_group(out, key->group, field, indent, comments); return;
  case GH_CONF_OWN: return;
  }
}

void gh_conf_write(gh_buf *out, const gh_conf_table *table, const void *in, int indent, bool comments)
{
  for (size_t i = 0; i < table->count; i++) {
    const gh_conf_key *key = &table->keys[i];
    if (key->kind == GH_CONF_OWN) continue;
    if (comments && key->comment) add_comment(out, key->comment, indent);
    add_indent(out, indent);
    gh_buf_fmt(out, "%s = ", key->name);
    add_value(out, key, (const char *)in + key->offset, indent, comments);
    gh_buf_add(out, GH_STR(";\n"));
  }
}
