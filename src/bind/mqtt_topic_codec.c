/* Topic <-> levels <-> identifiers. Stems and FQDNs have no colon, so what the standard writes as ':' can be read
 * back; anything else with a colon is no identifier and is refused. */
#include "bind/mqtt_topic_codec.h"

#include "m2m/key_id.h"

static const struct {
  gh_str name;
  gh_mqtt_topic_kind answer;
} kinds[] = {
    [GH_MQTT_REQ] = {{"req", 3}, GH_MQTT_RESP},
    [GH_MQTT_RESP] = {{"resp", 4}, GH_MQTT_RESP},
    [GH_MQTT_REG_REQ] = {{"reg_req", 7}, GH_MQTT_REG_RESP},
    [GH_MQTT_REG_RESP] = {{"reg_resp", 8}, GH_MQTT_REG_RESP},
};

gh_str gh_mqtt_topic_kind_name(gh_mqtt_topic_kind kind)
{
  return kinds[kind].name;
}

static bool kind_by_name(gh_str name, gh_mqtt_topic_kind *out)
{
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (gh_str_eq(kinds[i].name, name)) {
      *out = (gh_mqtt_topic_kind)i;
      return true;
    }
  return false;
}

/* MQTT 4.7: wildcards and NUL are no part of a topic name. What is not printable ASCII is in no identifier. */
static bool is_plain(gh_str text)
{
  for (size_t i = 0; i < text.len; i++)
    if (text.ptr[i] <= 0x20 || text.ptr[i] > 0x7e || text.ptr[i] == '+' || text.ptr[i] == '#') return false;
  return true;
}

/* Octets of a topic that are not part of an identifier become others that are. */
static gh_str replace(gh_arena *arena, gh_str text, char from, char to)
{
  char *copy = gh_arena_alloc(arena, text.len + 1);
  for (size_t i = 0; i < text.len; i++) copy[i] = text.ptr[i] == from ? to : text.ptr[i];
  copy[text.len] = '\0';
  return (gh_str){copy, text.len};
}

bool gh_mqtt_prefix_valid(gh_str prefix)
{
  gh_str rest = prefix, level;
  if (gh_str_empty(prefix)) return true;
  if (prefix.len > GH_MQTT_LEVEL_MAX_BYTES || !is_plain(prefix)) return false;
  while (gh_str_split(&rest, '/', &level))
    if (gh_str_empty(level)) return false;
  return true;
}

/* Could the level be an identifier? Which one depends on who reads it. */
static bool level_is_id(gh_str level)
{
  gh_arena arena;
  gh_str absolute;
  const gh_self anybody = {
      .sp_fqdn = GH_STR("sp.invalid"), .cse_id = GH_STR("x"), .cse_rn = GH_STR("x"), .in_cse = GH_STR("x")};
  gh_arena_init(&arena);
  bool is = gh_mqtt_id_of_level(&arena, &anybody, level, &absolute) == GH_OK;
  gh_arena_free(&arena);
  return is;
}

static bool level_is_credential(gh_str level)
{
  gh_arena arena;
  gh_str credential;
  gh_arena_init(&arena);
  bool is = gh_mqtt_credential_of_level(&arena, level, &credential) == GH_OK;
  gh_arena_free(&arena);
  return is;
}

/* A prefix comes without a slash in front (TS-0010 6.6); without a prefix there is one. */
static bool skip_prefix(gh_str *rest, gh_str prefix)
{
  if (prefix.len) {
    if (!gh_str_starts(*rest, prefix)) return false;
    *rest = gh_str_sub(*rest, prefix.len, SIZE_MAX);
  }
  if (!gh_str_starts(*rest, GH_STR("/oneM2M/"))) return false;
  *rest = gh_str_sub(*rest, sizeof "/oneM2M/" - 1, SIZE_MAX);
  return true;
}

/*= TS-0010 6.4.2; TS-0010 6.4.3; TS-0010 6.4.4; TS-0010 6.5.4 the type is always there */
gh_err gh_mqtt_topic_parse(gh_str topic, gh_str prefix, gh_mqtt_topic *out)
{
  gh_str rest = topic, kind, type;
  gh_mqtt_topic t = {.kind = GH_MQTT_REQ};
  GH_REQUIRE(topic.len <= GH_MQTT_TOPIC_MAX_BYTES, GH_ELIMIT);
  GH_REQUIRE(is_plain(topic) && skip_prefix(&rest, prefix), GH_ESYNTAX);
  bool whole = gh_str_split(&rest, '/', &kind) && gh_str_split(&rest, '/', &t.originator) &&
               gh_str_split(&rest, '/', &t.receiver) && gh_str_split(&rest, '/', &type) && !rest.ptr;
  GH_REQUIRE(whole && kind_by_name(kind, &t.kind), GH_ESYNTAX);
  bool registration = t.kind == GH_MQTT_REG_REQ || t.kind == GH_MQTT_REG_RESP;
  GH_REQUIRE(registration ? level_is_credential(t.originator) : level_is_id(t.originator), GH_ESYNTAX);
  GH_REQUIRE(level_is_id(t.receiver), GH_ESYNTAX);
  GH_REQUIRE(gh_representation_by_name(type, &t.representation), GH_ESYNTAX);
  *out = t;
  return GH_OK;
}

gh_str gh_mqtt_topic_write(gh_arena *arena, gh_str prefix, const gh_mqtt_topic *t)
{
  gh_str type = gh_representation_name(t->representation);
  return gh_arena_fmt(arena, "%.*s/oneM2M/%.*s/%.*s/%.*s/%.*s", GH_STR_ARG(prefix), GH_STR_ARG(kinds[t->kind].name),
                      GH_STR_ARG(t->originator), GH_STR_ARG(t->receiver), GH_STR_ARG(type));
}

/*= TS-0010 6.4.3 the response repeats the levels of its request */
/*= TS-0010 6.5.3 and its serialization */
gh_mqtt_topic gh_mqtt_topic_of_answer(const gh_mqtt_topic *request)
{
  gh_mqtt_topic answer = *request;
  answer.kind = kinds[request->kind].answer;
  return answer;
}

/*= TS-0010 6.5.4 any originator, any serialization */
/*= TS-0010 6.4.3 */
gh_str gh_mqtt_response_filter_write(gh_arena *arena, gh_str prefix, gh_str originator)
{
  return gh_arena_fmt(arena, "%.*s/oneM2M/resp/%.*s/#", GH_STR_ARG(prefix), GH_STR_ARG(originator));
}

gh_str gh_mqtt_filter_write(gh_arena *arena, gh_str prefix, gh_mqtt_topic_kind kind, gh_str receiver)
{
  return gh_arena_fmt(arena, "%.*s/oneM2M/%.*s/+/%.*s/#", GH_STR_ARG(prefix), GH_STR_ARG(kinds[kind].name),
                      GH_STR_ARG(receiver));
}

/* ---- identifiers */

/*= TS-0010 6.4.2 leading slashes are left out, "//" becomes ':', every other slash becomes ':' */
gh_err gh_mqtt_level_of_id(gh_arena *arena, gh_str id, gh_str *level)
{
  gh_id parsed = gh_id_parse(id);
  GH_REQUIRE(parsed.kind != GH_ID_INVALID && parsed.kind != GH_ID_SP, GH_ESYNTAX);
  GH_REQUIRE(id.len <= GH_MQTT_LEVEL_MAX_BYTES, GH_ELIMIT);
  bool slash = parsed.scope == GH_SCOPE_SP || parsed.scope == GH_SCOPE_ABSOLUTE;
  *level = replace(arena, gh_str_sub(id, slash, SIZE_MAX), '/', ':');
  return GH_OK;
}

/*= TS-0010 6.4.4 */
gh_err gh_mqtt_level_of_credential(gh_arena *arena, gh_str credential_id, gh_str *level)
{
  unsigned type;
  gh_str value;
  GH_TRY(gh_credential_id_parse(credential_id, &type, &value));
  GH_REQUIRE(credential_id.len <= GH_MQTT_LEVEL_MAX_BYTES, GH_ELIMIT);
  GH_REQUIRE(is_plain(credential_id) && gh_str_find(value, ':') == SIZE_MAX, GH_ESYNTAX);
  *level = replace(arena, credential_id, '/', ':');
  return GH_OK;
}

gh_err gh_mqtt_credential_of_level(gh_arena *arena, gh_str level, gh_str *credential_id)
{
  unsigned type;
  gh_str value;
  GH_REQUIRE(level.len <= GH_MQTT_LEVEL_MAX_BYTES, GH_ELIMIT);
  GH_REQUIRE(is_plain(level) && gh_str_find(level, '/') == SIZE_MAX, GH_ESYNTAX);
  gh_str text = replace(arena, level, ':', '/');
  GH_TRY(gh_credential_id_parse(text, &type, &value));
  *credential_id = text;
  return GH_OK;
}

/* A level without colon. */
static gh_str spell_out(gh_arena *arena, gh_str level)
{
  bool is_stem = level.ptr[0] == 'C' || level.ptr[0] == 'S'; /* alone they ask for a stem: no identifier */
  return is_stem ? level : gh_arena_fmt(arena, "/%.*s", GH_STR_ARG(level));
}

gh_err gh_mqtt_id_of_level(gh_arena *arena, const gh_self *self, gh_str level, gh_str *absolute)
{
  GH_REQUIRE(level.len <= GH_MQTT_LEVEL_MAX_BYTES, GH_ELIMIT);
  GH_REQUIRE(level.len && is_plain(level) && gh_str_find(level, '/') == SIZE_MAX, GH_ESYNTAX);
  gh_str id = gh_str_find(level, ':') == SIZE_MAX
                  ? spell_out(arena, level)
                  : replace(arena, gh_arena_fmt(arena, "/%.*s", GH_STR_ARG(level)), ':', '/');
  gh_id parsed = gh_id_parse(id);
  GH_REQUIRE(parsed.kind == GH_ID_CSE || parsed.kind == GH_ID_AE_C || parsed.kind == GH_ID_AE_S, GH_ESYNTAX);
  return gh_id_absolute(arena, self, id, absolute);
}

bool gh_mqtt_level_names(gh_arena *arena, const gh_self *self, gh_str level, gh_str id)
{
  gh_str named, meant;
  return gh_mqtt_id_of_level(arena, self, level, &named) == GH_OK &&
         gh_id_absolute(arena, self, id, &meant) == GH_OK && gh_str_eq(named, meant);
}
