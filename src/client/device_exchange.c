/* One association, one request: what every step of a device's life is made of. */
#include "client/device_private.h"

#include "client/endpoint.h"
#include "m2m/json.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"
#include "m2m/tables.h"

gh_err gh_device_begin(gh_device *device, gh_reply *reply, gh_diag *diag)
{
  if (reply) *reply = (gh_reply){.alert = -1, .rsc_name = ""};
  if (device->in_request) /* the call around it has the arena, and the association */
    return gh_fail(diag, GH_EINVAL, "the association is busy: a notification came over it and is not answered yet");
  gh_arena_reset(&device->scratch);
  return GH_OK;
}

static gh_err no_key(gh_err err, const gh_device_credential *credential, gh_diag *diag)
{
  const char *state = err == GH_EEXPIRED ? "is past its end" : "is not here yet";
  if (err != GH_EEXPIRED && err != GH_ENOTFOUND)
    return gh_fail(diag, err, "%s cannot be used: %s", credential->what, gh_err_name(err));
  return gh_fail(diag, err, "%s %s: %s first", credential->what, state, credential->step);
}

/* Where the peer is reached over the device's binding. */
static gh_err find_peer(const gh_device *device, const gh_device_peer *peer, gh_client_binding *binding,
                        gh_endpoint *at, gh_diag *diag)
{
  gh_str where = peer->endpoint, name = device->config.binding;
  *binding = GH_CLIENT_HTTP;
  if (gh_str_eq(name, GH_STR("coap"))) {
    *binding = GH_CLIENT_COAP;
    where = peer->coap;
  } else if (gh_str_eq(name, GH_STR("coaps_tcp"))) {
    *binding = GH_CLIENT_COAP_TCP;
    where = peer->coaps_tcp;
  } else if (gh_str_eq(name, GH_STR("ws")) && peer == &device->config.cse) {
    *binding = GH_CLIENT_WS; /*= TS-0020 1 Mca; with MEF and MAF HTTP is spoken */
  } else if (gh_str_eq(name, GH_STR("mqtt")) && peer == &device->config.cse) {
    *binding = GH_CLIENT_MQTT;
    where = device->config.mqtt_broker;
  }
  if (gh_str_empty(where))
    return gh_fail(diag, GH_ENOTFOUND, "device.conf does not say where %.*s is reached over %.*s",
                   GH_STR_ARG(peer->fqdn), GH_STR_ARG(name));
  return gh_endpoint_find(where, at, diag);
}

/* What proves the device, while a handshake needs it. */
typedef struct gh_device_proof {
  gh_secret psk;
  gh_arena secret;
  gh_device_certificate certificate; /* in `secret`; of a raw public key: the key alone */
} gh_device_proof;

static bool is_certificate(const gh_device_credential *credential)
{
  return credential->kind == GH_SE_PRIVATE_KEY && gh_str_eq(credential->id, GH_STR(GH_DEVICE_OWN_CERTIFICATE));
}

static gh_err take_proof(gh_device *device, const gh_device_credential *credential, gh_device_proof *proof)
{
  GH_REQUIRE(!gh_str_empty(credential->id), GH_ENOTFOUND);
  if (is_certificate(credential)) return gh_device_use_certificate(device, &proof->secret, &proof->certificate);
  if (credential->kind == GH_SE_PRIVATE_KEY)
    return gh_se_use_blob(device->se, &proof->secret, credential->kind, credential->id, &proof->certificate.key_pem);
  return gh_se_use_psk(device->se, &device->clock, credential->kind, credential->id, &proof->psk);
}

static void drop_proof(gh_device_proof *proof)
{
  gh_wipe((void *)(uintptr_t)proof->certificate.key_pem.ptr, proof->certificate.key_pem.len);
  gh_arena_free(&proof->secret);
  gh_secret_wipe(&proof->psk);
}

/* The broker knows the device by the key, and its list lets that key ask for registration under 12-KEY; by the
 * certificate of an AE it knows the AE. Before there is an AE-ID the session bears the credential's name: two of one
 * name would end each other. */
static gh_client_mqtt_names names_for(gh_device *device, const gh_device_credential *credential)
{
  gh_arena *a = &device->scratch;
  gh_str credential_id = is_certificate(credential) ? device->state.certificate_id
                                                    : gh_credential_id(a, GH_CRED_SAEF_KEY, credential->id);
  const gh_str ae = device->state.ae_id;
  return (gh_client_mqtt_names){.receiver = gh_arena_fmt(a, "/%.*s", GH_STR_ARG(device->config.cse_id)),
                                .prefix = device->config.mqtt_prefix,
                                .client_id = ae.len                       ? ae
                                             : is_certificate(credential) ? credential_id
                                                                          : credential->id,
                                .credential_id = credential_id,
                                .listener = ae};
}

gh_err gh_device_connect(gh_device *device, const gh_device_peer *peer, const gh_device_credential *credential,
                         gh_client **out, gh_reply *reply, gh_diag *diag)
{
  gh_endpoint at;
  gh_client_binding binding = GH_CLIENT_HTTP;
  gh_device_proof proof = {.psk = {.len = 0}};
  gh_arena_init(&proof.secret);
  gh_err err = take_proof(device, credential, &proof);
  err = err == GH_OK ? find_peer(device, peer, &binding, &at, diag) : no_key(err, credential, diag);
  if (err == GH_OK) {
    bool keyed = credential->kind != GH_SE_PRIVATE_KEY, public_key = !keyed && !is_certificate(credential);
    bool broker = binding == GH_CLIENT_MQTT;
    gh_client_options options = {.host = gh_str_of(at.host),
                                 .port = at.port,
                                 .server_name = broker ? device->config.mqtt_name : peer->fqdn,
                                 .mqtt = names_for(device, credential),
                                 .psk_identity = keyed ? credential->id : GH_STR_NONE,
                                 .psk = keyed ? &proof.psk : NULL,
                                 .chain_pem = proof.certificate.chain_pem,
                                 .key_pem = proof.certificate.key_pem,
                                 .anchors_pem = proof.certificate.anchors_pem,
                                 .server_keys = public_key ? device->state.cse_key_ids : GH_STR_NONE,
                                 .status =
                                     is_certificate(credential) ? gh_device_status_source(&device->status) : NULL,
                                 .policy = gh_security_policy_named(device->config.security_policy),
                                 .tls13 = device->config.tls13,
                                 .binding = binding,
                                 .on_request = device->on_request,
                                 .on_request_ctx = device->on_request_ctx,
                                 .representation = device->cbor ? GH_REP_CBOR : GH_REP_JSON,
                                 .mtu = (uint16_t)device->config.datagram_mtu,
                                 .timeout_ms = (uint32_t)device->config.timeout_ms};
    err = gh_client_open(&options, out, &reply->alert, diag);
  }
  drop_proof(&proof);
  return err;
}

static gh_str content_text(gh_arena *arena, const gh_response *response)
{
  if (!gh_str_empty(response->body)) return response->body;
  if (!response->pc) return GH_STR_NONE;
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, response->pc);
  gh_str copy = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return copy;
}

gh_err gh_device_ask(gh_device *device, gh_client *client, gh_request *request, gh_str root, gh_val **attrs,
                     gh_reply *reply, gh_diag *diag)
{
  gh_response response;
  if (attrs) *attrs = NULL;
  gh_err err = gh_client_request(client, &device->scratch, request, &response, diag);
  reply->alert = gh_client_alert(client);
  if (err != GH_OK) gh_device_leave(device);
  GH_TRY(err);
  reply->rsc = response.rsc;
  reply->rsc_name = gh_rsc_find(response.rsc)->name;
  reply->rqi = request->rqi;
  reply->location = response.location;
  reply->content = content_text(&device->scratch, &response);
  gh_device_leave(device);
  if (!attrs || gh_reply_refused(reply)) return GH_OK;
  gh_str name;
  gh_val *inner;
  if (!response.pc || !gh_val_unwrap(response.pc, &name, &inner) || !gh_str_eq(name, root) ||
      inner->type != GH_VAL_OBJECT)
    return gh_fail(diag, GH_EPROTO, "the response does not hold %.*s", GH_STR_ARG(root));
  *attrs = inner;
  return GH_OK;
}

gh_str gh_device_after(gh_device *device, int64_t seconds)
{
  return gh_timestamp(&device->scratch, gh_clock_wall_us(&device->clock) + seconds * GH_US_PER_S);
}

gh_err gh_device_read_until(gh_device *device, const gh_val *attrs, int64_t *until_us, gh_diag *diag)
{
  gh_str text;
  int64_t until;
  if (!gh_val_get_str(attrs, GH_STR("et"), &text) || gh_timestamp_parse(text, &until) != GH_OK)
    return gh_fail(diag, GH_EPROTO, "the response lacks expirationTime");
  if (until <= gh_clock_wall_us(&device->clock))
    return gh_fail(diag, GH_EPROTO, "what was granted has expired already");
  *until_us = until;
  return GH_OK;
}
