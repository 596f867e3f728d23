/* The device as an AE: association with the CSE, registration, requests. */
#include "client/device_private.h"

#include "crypto/public_key_id.h"
#include "link/raw_public_key.h"
#include "m2m/constants.h"
#include "m2m/ids.h"
#include "m2m/json.h"
#include "m2m/key_id.h"

/*= TS-0003 8.2.1 an association does not outlive its credential: a new list is held against the one that stands */
void gh_device_hold_against_lists(gh_device *device)
{
  const gh_status_source *source = gh_device_status_source(&device->status);
  (void)gh_device_status_look(&device->status, NULL);
  if (!source || !device->cse || device->cse_lists == device->status.generation) return;
  device->cse_lists = device->status.generation;
  if (gh_client_is_revoked(device->cse, source)) gh_device_dissociate(device);
}

static bool is_open(gh_device *device)
{
  gh_device_leave(device);
  gh_device_hold_against_lists(device);
  if (!device->cse) return false;
  if (gh_client_wait_closed(device->cse, 0) != GH_OK) return true; /* nothing of a close has arrived */
  gh_device_dissociate(device);
  return false;
}

void gh_device_dissociate(gh_device *device)
{
  device->leave = device->in_request;
  if (device->leave) return; /* what calls us is inside it */
  gh_client_close(device->cse);
  device->cse = NULL;
}

void gh_device_leave(gh_device *device)
{
  if (device->leave) gh_device_dissociate(device);
}

/*= TS-0003 8.2.2.3 past its end the key is not used: the device registers a new one */
static gh_err renew_kc(gh_device *device, gh_reply *reply, gh_diag *diag)
{
  const gh_device_state *s = &device->state;
  bool usable = !gh_str_empty(s->kc_id) && s->kc_until_us > gh_clock_wall_us(&device->clock);
  return usable ? GH_OK : gh_device_new_kc(device, reply, diag);
}

static bool speaks_cbor(const gh_device *device)
{
  return gh_str_eq(device->config.serialization, gh_representation_name(GH_REP_CBOR));
}

/* Content of the request and of its answer; where one association has one serialization, that of the next. */
static void serialize(gh_device *device, gh_request *request, bool cbor)
{
  device->cbor = cbor;
  if (cbor) request->content_type = request->accept = gh_media_type_of(GH_REP_CBOR, GH_MEDIA_PLAIN);
}

/*= TS-0001 9.6.5 contentSerialization: what is liked best comes first. JSON alone need not be said */
static gh_val *cbor_first(gh_arena *a)
{
  gh_val *list = gh_val_array(a);
  gh_val_push(list, gh_val_str(a, gh_representation_name(GH_REP_CBOR)));
  gh_val_push(list, gh_val_str(a, gh_representation_name(GH_REP_JSON)));
  return list;
}

/* What the <AE> says from now on. */
static void keep_told(gh_device *device)
{
  gh_device_state_set(device, &device->told_serialization,
                      speaks_cbor(device) ? device->config.serialization : GH_STR_NONE);
}

static gh_err connect_with(gh_device *device, gh_device_key key, gh_reply *reply, gh_diag *diag)
{
  if (is_open(device)) return GH_OK;
  gh_device_credential credential = {GH_SE_KPSA, device->state.mef_key_id, "the key registered at the MEF",
                                     "enrol with a key registration"};
  if (key == GH_DEVICE_KEY_PSK)
    credential = (gh_device_credential){GH_SE_KPSA, device->state.kpsa_id, "Kpsa", "give the device a key"};
  if (key == GH_DEVICE_KEY_PUBLIC)
    credential = (gh_device_credential){GH_SE_PRIVATE_KEY, GH_STR(GH_DEVICE_OWN_KEY), "the private key",
                                        "tell the device of the CSE's public key"};
  if (key == GH_DEVICE_KEY_CERTIFICATE)
    credential = (gh_device_credential){GH_SE_PRIVATE_KEY, GH_STR(GH_DEVICE_OWN_CERTIFICATE), "the certificate",
                                        "give the device a certificate"};
  if (key == GH_DEVICE_KEY_MAF) {
    GH_TRY(renew_kc(device, reply, diag));
    if (gh_reply_refused(reply)) return GH_OK;
    credential = (gh_device_credential){GH_SE_KC, device->state.kc_id, "Kc", "register a key at the MAF"};
  }
  return gh_device_connect(device, &device->config.cse, &credential, &device->cse, reply, diag);
}

/* By gh_device_key. */
static const char *const key_names[] = {"maf", "mef", "psk", "public-key", "certificate"};

gh_device_key gh_device_usual_key(const gh_device *device)
{
  for (size_t i = 0; i < sizeof key_names / sizeof *key_names; i++)
    if (gh_str_eq(device->cse_key_name, gh_str_of(key_names[i]))) return (gh_device_key)i;
  return GH_DEVICE_KEY_MAF;
}

gh_err gh_device_choose_key(gh_device *device, gh_device_key key, gh_diag *diag)
{
  gh_device_state_set(device, &device->cse_key_name, gh_str_of(key_names[key]));
  return gh_device_state_write(device, diag);
}

/*= TS-0003 9.1.1.1 Kpsa and KpsaID are configured at Entity A */
gh_err gh_device_set_psk(gh_device *device, gh_str kpsa_id, const gh_secret *kpsa, gh_diag *diag)
{
  gh_key_id parsed;
  GH_TRY(gh_device_begin(device, NULL, diag));
  if (gh_key_id_parse(kpsa_id, false, &parsed) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "'%.*s' is not a key identifier name@FQDN", GH_STR_ARG(kpsa_id));
  gh_str id = gh_key_id_canonical(&device->scratch, &parsed);
  gh_se_info info = {.kind = GH_SE_KPSA, .id = id, .suid = 12, .peer = device->config.cse.fqdn};
  gh_err err = gh_se_put(device->se, &info, kpsa);
  if (err != GH_OK) return gh_fail(diag, err, "Kpsa cannot be stored: it needs 16 to 64 octets");
  gh_device_dissociate(device);
  gh_device_state_set(device, &device->state.kpsa_id, id);
  return gh_device_choose_key(device, GH_DEVICE_KEY_PSK, diag);
}

/*= TS-0003 8.1.2.3; 8.1.2.4; the own key, and the public key identifier of Entity B */
gh_err gh_device_set_public_key(gh_device *device, gh_str cse_key_ids, gh_diag *diag)
{
  gh_str rest = cse_key_ids, one, own;
  gh_public_key_id parsed;
  size_t count = 0;
  GH_TRY(gh_device_begin(device, NULL, diag));
  if (!gh_raw_public_key_available()) return gh_fail(diag, GH_EUNSUPPORTED, "%s", GH_RAW_PUBLIC_KEY_NEEDS);
  for (; gh_str_split(&rest, ' ', &one); count += one.len > 0)
    if (one.len && gh_public_key_id_parse(one, &parsed) != GH_OK)
      return gh_fail(diag, GH_EINVAL, "'%.*s' is not an identifier of a public key", GH_STR_ARG(one));
  if (!count) return gh_fail(diag, GH_EINVAL, "no public key of the CSE is named");
  GH_TRY(gh_device_own_key(device, &own, diag));
  gh_device_dissociate(device);
  gh_device_state_set(device, &device->state.public_key_id, own);
  gh_device_state_set(device, &device->state.cse_key_ids, cse_key_ids);
  return gh_device_choose_key(device, GH_DEVICE_KEY_PUBLIC, diag);
}

gh_err gh_device_associate(gh_device *device, gh_device_key key, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  device->cbor = speaks_cbor(device);
  GH_TRY(connect_with(device, key, reply, diag));
  if (gh_reply_refused(reply) || key == gh_device_usual_key(device)) return GH_OK;
  return gh_device_choose_key(device, key, diag);
}

gh_err gh_device_wait_closed(gh_device *device, uint32_t timeout_ms)
{
  enum { SLICE_MS = 200 };
  GH_REQUIRE(!device->in_request, GH_EINVAL); /* it would run, and may free, what has called us */
  gh_device_leave(device);
  GH_REQUIRE(device->cse, GH_ECONN);
  gh_err err = GH_ETIMEOUT;
  gh_device_hold_against_lists(device);
  for (uint32_t left = timeout_ms, now = 0; device->cse; left -= now) {
    now = left < SLICE_MS ? left : SLICE_MS;
    err = gh_client_wait_closed(device->cse, now);
    gh_device_leave(device);
    if (err != GH_ETIMEOUT || now == left) break;
    gh_device_hold_against_lists(device);
  }
  return device->cse ? err : GH_OK;
}

static gh_val *ae_content(gh_device *device, gh_str app_id, gh_str rn)
{
  gh_arena *a = &device->scratch;
  gh_val *attrs = gh_val_object(a), *versions = gh_val_array(a);
  gh_val_push(versions, gh_val_str(a, GH_STR("3")));
  if (!gh_str_empty(rn)) gh_val_set(a, attrs, GH_STR("rn"), gh_val_str(a, rn));
  gh_val_set(a, attrs, GH_STR("api"), gh_val_str(a, app_id));
  gh_val_set(a, attrs, GH_STR("rr"), gh_val_bool(a, false));
  gh_val_set(a, attrs, GH_STR("srv"), versions);
  if (speaks_cbor(device)) gh_val_set(a, attrs, GH_STR("csz"), cbor_first(a));
  return gh_val_wrap(a, GH_STR("m2m:ae"), attrs);
}

gh_err gh_device_register(gh_device *device, gh_str app_id, gh_str rn, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  if (!gh_app_id_valid(app_id)) return gh_fail(diag, GH_EINVAL, "App-ID must begin with N or R");
  device->cbor = speaks_cbor(device);
  GH_TRY(connect_with(device, gh_device_usual_key(device), reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  gh_str known = device->state.ae_id;
  gh_request request = {.op = GH_OP_CREATE,
                        .to = device->config.cse_rn,
                        .ty = GH_TY_AE,
                        .has_ty = true,
                        .has_from = true,
                        .from = gh_str_empty(known) ? GH_STR("C") : known,
                        .rcn = GH_RCN_ABSENT,
                        .rt = 3};
  request.pc = ae_content(device, app_id, rn);
  serialize(device, &request, speaks_cbor(device));
  gh_val *attrs;
  gh_str ae_id;
  GH_TRY(gh_device_ask(device, device->cse, &request, GH_STR("m2m:ae"), &attrs, reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  if (!gh_val_get_str(attrs, GH_STR("aei"), &ae_id) || !gh_stem_valid(ae_id))
    return gh_fail(diag, GH_EPROTO, "the CSE assigned no AE-ID");
  gh_device_state_set(device, &device->state.ae_id, ae_id);
  keep_told(device);
  return gh_device_state_write(device, diag);
}

static gh_err read_content(gh_device *device, gh_str text, gh_val **out, gh_diag *diag)
{
  gh_diag why = {""};
  if (gh_str_empty(text)) return GH_OK;
  gh_err err = gh_json_parse(&device->scratch, text, &gh_json_default_limits, out, &why);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "content: %s", why.text);
}

gh_err gh_device_request_send(gh_device *device, const gh_device_request *wanted, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  gh_request request = {.op = (gh_op)wanted->op,
                        .to = wanted->to,
                        .from = wanted->from,
                        .has_from = true,
                        .rqi = wanted->rqi,
                        .ty = wanted->ty,
                        .has_ty = wanted->op == GH_DEVICE_CREATE,
                        .rcn = wanted->rcn < 0 ? GH_RCN_ABSENT : wanted->rcn,
                        .rt = 3};
  if (gh_str_empty(request.from)) request.from = device->state.ae_id;
  if (gh_str_empty(request.from)) return gh_fail(diag, GH_ENOTFOUND, "no AE-ID yet: register first");
  serialize(device, &request, wanted->cbor || speaks_cbor(device));
  GH_TRY(read_content(device, wanted->content, &request.pc, diag));
  GH_TRY(connect_with(device, gh_device_usual_key(device), reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  return gh_device_ask(device, device->cse, &request, GH_STR_NONE, NULL, reply, diag);
}

/*= TS-0001 9.6.5 requestReachability and pointOfAccess; TS-0003 8.2.1 they follow registration, and SA2 follows them
 */
gh_err gh_device_announce(gh_device *device, gh_str point, gh_reply *reply, gh_diag *diag)
{
  GH_TRY(gh_device_begin(device, reply, diag));
  gh_arena *a = &device->scratch;
  gh_str ae_id = device->state.ae_id;
  if (gh_str_empty(ae_id)) return gh_fail(diag, GH_ENOTFOUND, "no AE-ID yet: register first");
  device->cbor = speaks_cbor(device);
  GH_TRY(connect_with(device, gh_device_usual_key(device), reply, diag));
  if (gh_reply_refused(reply)) return GH_OK;
  gh_val *attrs = gh_val_object(a), *points = gh_val_array(a);
  /*= TS-0020 5.2 the AE is the WebSocket client: it has no point of access, its connection is one */
  bool connected = gh_str_eq(point, GH_STR(GH_DEVICE_OPEN_WEBSOCKET));
  gh_val_push(points, gh_val_str(a, point));
  gh_val_set(a, attrs, GH_STR("rr"), gh_val_bool(a, !gh_str_empty(point)));
  gh_val_set(a, attrs, GH_STR("poa"), gh_str_empty(point) || connected ? gh_val_null(a) : points);
  bool tells = !gh_str_empty(point) && (speaks_cbor(device) || !gh_str_empty(device->told_serialization));
  if (tells) gh_val_set(a, attrs, GH_STR("csz"), speaks_cbor(device) ? cbor_first(a) : gh_val_null(a));
  gh_request request = {.op = GH_OP_UPDATE,
                        .to = ae_id, /* its resource identifier */
                        .has_from = true,
                        .from = ae_id,
                        .rcn = 0,
                        .rt = 3,
                        .pc = gh_val_wrap(a, GH_STR("m2m:ae"), attrs)};
  serialize(device, &request, speaks_cbor(device));
  GH_TRY(gh_device_ask(device, device->cse, &request, GH_STR_NONE, NULL, reply, diag));
  if (!tells || gh_reply_refused(reply)) return GH_OK;
  keep_told(device);
  return gh_device_state_write(device, diag);
}
