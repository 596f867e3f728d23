/* Topics of the MQTT binding (TS-0010 6.4.2 to 6.4.4, 6.5.4) and the identifiers in their levels. Pure functions. A
 * level says what the sender wrote; whether it is believed is not decided here. */
#ifndef GH_BIND_MQTT_TOPIC_CODEC_H
#define GH_BIND_MQTT_TOPIC_CODEC_H

#include "m2m/ids.h"
#include "m2m/representation.h"

enum { GH_MQTT_LEVEL_MAX_BYTES = 512, GH_MQTT_TOPIC_MAX_BYTES = 2048 };

typedef enum gh_mqtt_topic_kind {
  GH_MQTT_REQ,
  GH_MQTT_RESP,
  GH_MQTT_REG_REQ, /* the originator level is a Credential-ID */
  GH_MQTT_REG_RESP
} gh_mqtt_topic_kind;

/* /oneM2M/{kind}/{originator}/{receiver}/{json|cbor}; a response repeats the originator of its request. */
typedef struct gh_mqtt_topic {
  gh_mqtt_topic_kind kind;
  gh_str originator, receiver; /* as they stand in the topic: without slashes */
  gh_representation representation;
} gh_mqtt_topic;

/* `prefix` is the path of a point of access, "abc/def", or empty. Slices borrow from `topic`. GH_ESYNTAX on another
 * prefix, a wildcard, NUL, an empty or missing level, a level that is no identifier, a serialization that is none
 * (xml too); GH_ELIMIT. */
GH_MUST_USE gh_err gh_mqtt_topic_parse(gh_str topic, gh_str prefix, gh_mqtt_topic *out);
gh_str gh_mqtt_topic_write(gh_arena *arena, gh_str prefix, const gh_mqtt_topic *topic);
/* The topic of the answer to a request. */
gh_mqtt_topic gh_mqtt_topic_of_answer(const gh_mqtt_topic *request);
/* "/oneM2M/req/+/in-cse/#": what a receiver subscribes to. `kind` is GH_MQTT_REQ or GH_MQTT_REG_REQ. */
gh_str gh_mqtt_filter_write(gh_arena *arena, gh_str prefix, gh_mqtt_topic_kind kind, gh_str receiver);
/* "/oneM2M/resp/in-cse/#": responses to what `originator` asked. */
gh_str gh_mqtt_response_filter_write(gh_arena *arena, gh_str prefix, gh_str originator);
/* "abc/def": one level or more, without a slash at either end, a wildcard or NUL; or empty. */
bool gh_mqtt_prefix_valid(gh_str prefix);
/* "req", "resp", "reg_req", "reg_resp" */
gh_str gh_mqtt_topic_kind_name(gh_mqtt_topic_kind kind);

/* AE-ID or CSE-ID -> level: "/in-cse/CAE1" -> "in-cse:CAE1", "//sp/cse" -> ":sp:cse"; a stem stays. GH_ESYNTAX when
 * it is no identifier. */
GH_MUST_USE gh_err gh_mqtt_level_of_id(gh_arena *arena, gh_str id, gh_str *level);
/* Credential-ID -> level, and back. GH_ESYNTAX, GH_ERANGE as gh_credential_id_parse. */
GH_MUST_USE gh_err gh_mqtt_level_of_credential(gh_arena *arena, gh_str credential_id, gh_str *level);
GH_MUST_USE gh_err gh_mqtt_credential_of_level(gh_arena *arena, gh_str level, gh_str *credential_id);
/* Level -> absolute AE-ID or CSE-ID as `self` sees it. A level without ':' is the stem of an AE that is registered
 * here when it begins with C, an AE-ID of the service provider when it begins with S, else a CSE-ID. */
GH_MUST_USE gh_err gh_mqtt_id_of_level(gh_arena *arena, const gh_self *self, gh_str level, gh_str *absolute);
/* Do an identifier, in any form, and a level name the same entity? */
bool gh_mqtt_level_names(gh_arena *arena, const gh_self *self, gh_str level, gh_str id);

#endif
