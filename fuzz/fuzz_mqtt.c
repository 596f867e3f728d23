/* What a broker may hand us: a topic, and a payload in the serialization that it names. Besides not crashing it must
 * hold that a topic is written back as it was read, that its levels name identifiers that give the same levels again,
 * and that a payload which could be read can be written. The input is topic, line end, payload. */
#include <stdlib.h>

#include "bind/mqtt_topic_codec.h"
#include "m2m/constants.h"
#include "m2m/primitive_tree.h"

static void must(bool holds)
{
  if (!holds) abort();
}

static const gh_self self = {
    .sp_fqdn = GH_STR_NONE, .cse_id = {"in-cse", 6}, .cse_rn = {"cse-in", 6}, .in_cse = {"in-cse", 6}};

static void check_level(gh_arena *arena, gh_str level, bool credential)
{
  gh_str id = GH_STR_NONE, back = GH_STR_NONE;
  gh_self us = self;
  us.sp_fqdn = GH_STR("sp.example.com");
  if (credential) {
    must(gh_mqtt_credential_of_level(arena, level, &id) == GH_OK);
    must(gh_mqtt_level_of_credential(arena, id, &back) == GH_OK && gh_str_eq(back, level));
    return;
  }
  must(gh_mqtt_id_of_level(arena, &us, level, &id) == GH_OK);
  must(gh_mqtt_level_names(arena, &us, level, id));
  must(gh_mqtt_level_of_id(arena, id, &back) == GH_OK && gh_mqtt_level_names(arena, &us, back, id));
}

static void check_payload(gh_arena *arena, gh_representation representation, gh_str octets)
{
  gh_val *tree = NULL;
  gh_diag diag = {""};
  gh_request request;
  if (gh_representation_decode(representation, arena, octets, &tree, &diag) != GH_OK) return;
  if (gh_primitive_kind_of(tree) == GH_PRIMITIVE_RESPONSE) return;
  int rsc = gh_request_from_tree(arena, tree, &request, &diag);
  must(rsc == GH_RSC_OK || rsc == GH_RSC_BAD_REQUEST);
  gh_response response = {.rsc = GH_RSC_BAD_REQUEST};
  gh_buf out = GH_BUF_INIT;
  must(gh_response_write(representation, &out, &request, &response) == GH_OK && out.len);
  gh_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gh_str rest = {(const char *)data, size}, topic = GH_STR_NONE;
  gh_mqtt_topic t;
  if (!size || !gh_str_split(&rest, '\n', &topic)) return 0;
  gh_str prefix = gh_str_starts(topic, GH_STR("a/b")) ? GH_STR("a/b") : GH_STR_NONE;
  if (gh_mqtt_topic_parse(topic, prefix, &t) != GH_OK) return 0;
  gh_arena arena;
  gh_arena_init(&arena);
  must(gh_str_eq(gh_mqtt_topic_write(&arena, prefix, &t), topic));
  check_level(&arena, t.originator, t.kind == GH_MQTT_REG_REQ || t.kind == GH_MQTT_REG_RESP);
  check_level(&arena, t.receiver, false);
  if (rest.len) check_payload(&arena, t.representation, rest);
  gh_arena_free(&arena);
  return 0;
}
