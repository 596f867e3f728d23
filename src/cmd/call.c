/* Reading a command line through the verb's table of options. */
#include "cmd/call.h"

#include <stdarg.h>

#include "cmd/verbs.h"

enum { MAX_DAYS = 36500 };

static const gh_opt common[] = {
    {"json", 0, GH_OPT_FLAG, NULL, "answer in JSON"},
    {"help", 'h', GH_OPT_FLAG, NULL, "this text"},
    {.name = NULL},
};

static const gh_opt *find_in(const gh_opt *table, gh_str name, char letter)
{
  for (; table && table->name; table++)
    if (letter ? table->letter == letter : gh_str_eq(gh_str_of(table->name), name)) return table;
  return NULL;
}

static const gh_opt *find_option(const gh_verb *verb, gh_str name, char letter)
{
  const gh_opt *option = find_in(verb->options, name, letter);
  return option ? option : find_in(common, name, letter);
}

static bool is_choice(const char *choices, gh_str text)
{
  gh_str rest = gh_str_of(choices), choice;
  while (gh_str_split(&rest, '|', &choice))
    if (gh_str_eq(choice, text)) return true;
  return false;
}

static bool check_value(gh_call *call, gh_opt_value *value)
{
  const gh_opt *option = value->option;
  if (option->kind == GH_OPT_CHOICE && !is_choice(option->value, value->text)) {
    gh_call_misused(call, "--%s: '%.*s' is not one of %s", option->name, GH_STR_ARG(value->text), option->value);
    return false;
  }
  if (option->kind != GH_OPT_NUMBER && option->kind != GH_OPT_DAYS) return true;
  uint64_t number;
  if (!gh_str_to_u64(value->text, &number) || number > INT64_MAX) {
    gh_call_misused(call, "--%s: '%.*s' is not a number", option->name, GH_STR_ARG(value->text));
    return false;
  }
  value->number = (int64_t)number;
  if (option->kind == GH_OPT_NUMBER || (number >= 1 && number <= MAX_DAYS)) return true;
  gh_call_misused(call, "--%s: must be 1 to %d", option->name, MAX_DAYS);
  return false;
}

static bool set_value(gh_call *call, const gh_opt *option, gh_str text)
{
  if (call->value_count == GH_CALL_MAX_VALUES) {
    gh_call_misused(call, "too many options");
    return false;
  }
  if (option->kind != GH_OPT_MANY && option->kind != GH_OPT_FLAG && gh_call_has(call, option->name)) {
    gh_call_misused(call, "--%s was given twice", option->name);
    return false;
  }
  gh_opt_value *value = &call->values[call->value_count++];
  *value = (gh_opt_value){.option = option, .text = text};
  return check_value(call, value);
}

/* "--name", "--name=value", "-c"; *next is the argument behind it, *used whether it was taken. */
static bool take_option(gh_call *call, gh_str arg, const char *next, bool *used)
{
  bool is_long = gh_str_starts(arg, GH_STR("--"));
  gh_str name = gh_str_sub(arg, is_long ? 2 : 1, SIZE_MAX), value = GH_STR_NONE;
  size_t equals = is_long ? gh_str_find(name, '=') : SIZE_MAX;
  if (equals != SIZE_MAX) {
    value = gh_str_sub(name, equals + 1, SIZE_MAX);
    name = gh_str_sub(name, 0, equals);
  }
  const gh_opt *option = is_long || name.len == 1 ? find_option(call->verb, name, is_long ? 0 : name.ptr[0]) : NULL;
  if (!option) {
    gh_call_misused(call, "unknown option '%.*s'", GH_STR_ARG(arg));
    return false;
  }
  bool wants = option->kind != GH_OPT_FLAG;
  if (!wants && equals != SIZE_MAX) {
    gh_call_misused(call, "--%s takes no value", option->name);
    return false;
  }
  *used = wants && equals == SIZE_MAX;
  if (*used && !next) {
    gh_call_misused(call, "--%s needs a value: %s", option->name, option->value);
    return false;
  }
  return set_value(call, option, *used ? gh_str_of(next) : value);
}

static bool take_operand(gh_call *call, const char *arg)
{
  if ((int)call->operand_count == call->verb->max_operands || call->operand_count == GH_CALL_MAX_OPERANDS) {
    gh_call_misused(call, "unexpected operand '%s'", arg);
    return false;
  }
  call->operands[call->operand_count++] = gh_str_of(arg);
  return true;
}

/* Wherever it stands, it counts for the errors of the others too. */
static bool wants_json(int argc, char **argv)
{
  for (int i = 0; i < argc; i++)
    if (strcmp(argv[i], "--json") == 0) return true;
  return false;
}

bool gh_call_parse(gh_call *call, int argc, char **argv)
{
  bool only_operands = false;
  call->json = wants_json(argc, argv);
  for (int i = 0; i < argc; i++) {
    gh_str arg = gh_str_of(argv[i]);
    bool used = false, ok;
    if (!only_operands && gh_str_eq(arg, GH_STR("--"))) {
      only_operands = true;
      continue;
    }
    if (!only_operands && arg.len > 1 && arg.ptr[0] == '-')
      ok = take_option(call, arg, i + 1 < argc ? argv[i + 1] : NULL, &used);
    else
      ok = take_operand(call, argv[i]);
    if (!ok) return false;
    i += used;
  }
  if (gh_call_has(call, "help") || (int)call->operand_count >= call->verb->min_operands) return true;
  gh_call_misused(call, "needs %s", call->verb->operands);
  return false;
}

static const gh_opt_value *find_value(const gh_call *call, const char *option, size_t i)
{
  for (size_t v = 0; v < call->value_count; v++)
    if (strcmp(call->values[v].option->name, option) == 0 && i-- == 0) return &call->values[v];
  return NULL;
}

bool gh_call_has(const gh_call *call, const char *option)
{
  return find_value(call, option, 0) != NULL;
}

gh_str gh_call_text(const gh_call *call, const char *option, gh_str otherwise)
{
  const gh_opt_value *value = find_value(call, option, 0);
  return value ? value->text : otherwise;
}

int64_t gh_call_number(const gh_call *call, const char *option, int64_t otherwise)
{
  const gh_opt_value *value = find_value(call, option, 0);
  return value ? value->number : otherwise;
}

gh_str gh_call_nth(const gh_call *call, const char *option, size_t i)
{
  const gh_opt_value *value = find_value(call, option, i);
  return value ? value->text : GH_STR_NONE;
}

static void print_options(FILE *to, const gh_opt *table)
{
  for (; table && table->name; table++) {
    char left[48];
    snprintf(left, sizeof left, "%s%c%s--%s %s", table->letter ? "-" : " ", table->letter ? table->letter : ' ',
             table->letter ? ", " : "  ", table->name, table->value ? table->value : "");
    fprintf(to, "  %-30s %s\n", left, table->help);
  }
}

void gh_call_print_usage(FILE *to, const gh_verb *verb)
{
  fprintf(to, "usage: gatehouse %s%s%s%s\n%s\n", verb->words, verb->options ? " [OPTION...]" : "",
          verb->operands[0] ? " " : "", verb->operands, verb->help);
  if (verb->details) fprintf(to, "\n%s\n", verb->details);
  fprintf(to, "\noptions:\n");
  print_options(to, verb->options);
  print_options(to, common);
}

static void add_options(gh_arena *arena, gh_val *to, const gh_opt *table)
{
  for (; table && table->name; table++) {
    gh_val *row = gh_val_object(arena);
    gh_val_set(arena, row, GH_STR("option"), gh_val_str(arena, gh_arena_fmt(arena, "--%s", table->name)));
    if (table->letter)
      gh_val_set(arena, row, GH_STR("letter"), gh_val_str(arena, gh_arena_fmt(arena, "-%c", table->letter)));
    if (table->value) gh_val_set(arena, row, GH_STR("value"), gh_val_str(arena, gh_str_of(table->value)));
    gh_val_set(arena, row, GH_STR("help"), gh_val_str(arena, gh_str_of(table->help)));
    gh_val_push(to, row);
  }
}

gh_val *gh_call_usage_value(gh_arena *arena, const gh_verb *verb)
{
  gh_val *o = gh_val_object(arena), *options = gh_val_array(arena);
  gh_val_set(arena, o, GH_STR("verb"), gh_val_str(arena, gh_str_of(verb->words)));
  gh_val_set(arena, o, GH_STR("operands"), gh_val_str(arena, gh_str_of(verb->operands)));
  gh_val_set(arena, o, GH_STR("help"), gh_val_str(arena, gh_str_of(verb->help)));
  if (verb->details) gh_val_set(arena, o, GH_STR("details"), gh_val_str(arena, gh_str_of(verb->details)));
  add_options(arena, options, verb->options);
  add_options(arena, options, common);
  gh_val_set(arena, o, GH_STR("options"), options);
  return o;
}

/* "mef enrolee" is no verb, but the beginning of some. */
static gh_exit no_verb(gh_call *call, int argc, char **argv)
{
  call->json = wants_json(argc, argv);
  if (argc == 0) return gh_call_misused(call, "no verb");
  if (!gh_verb_begins(gh_str_of(argv[0]))) return gh_call_misused(call, "unknown verb '%s'", argv[0]);
  return gh_call_misused(call, "'%s' is the beginning of several verbs", argv[0]);
}

static gh_exit run_verb(gh_call *call, int argc, char **argv)
{
  if (!gh_call_parse(call, argc, argv)) return GH_EXIT_USAGE;
  if (!gh_call_has(call, "help")) return call->verb->run(call);
  if (call->json) return gh_call_done(call, gh_call_usage_value(&call->arena, call->verb));
  gh_call_print_usage(call->out, call->verb);
  return GH_EXIT_DONE;
}

gh_exit gh_cli_run(int argc, char **argv, FILE *out, FILE *err)
{
  static const char *const asks_help[] = {"--help", "-h"}, *const asks_version = "--version";
  char *help[] = {(char[]){"help"}}, *version[] = {(char[]){"version"}};
  int used = 0;
  for (size_t i = 0; i < 2; i++)
    if (argc > 1 && strcmp(argv[1], asks_help[i]) == 0)
      return gh_cli_run(2, (char *[]){argv[0], help[0], NULL}, out, err);
  if (argc > 1 && strcmp(argv[1], asks_version) == 0)
    return gh_cli_run(2, (char *[]){argv[0], version[0], NULL}, out, err);
  gh_call call = {.verb = gh_verb_find(argc - 1, argv + 1, &used), .out = out, .err = err};
  gh_arena_init(&call.arena);
  gh_exit code = call.verb ? run_verb(&call, argc - 1 - used, argv + 1 + used) : no_verb(&call, argc - 1, argv + 1);
  gh_arena_free(&call.arena);
  return fflush(out) == 0 ? code : GH_EXIT_FAILED;
}
