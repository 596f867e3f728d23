/* Two forms of an answer: a registered key of a MAF or MEF, and the older credential of a MEF. */
#include "host/fetch_answer.h"

#include "base/encoding.h"
#include "host/local_key.h"
#include "m2m/constants.h"
#include "m2m/key_id.h"
#include "m2m/m2m_time.h"

typedef struct parts { /* of either form, in the answer's tree */
  gh_str owner, key, until;
} parts;

/*= TS-0003 8.8.2.8 what the MAF answers: the key, its SUID, its source */
static gh_err read_registered(const gh_val *pc, int want_suid, parts *out, const char **why)
{
  gh_str root;
  gh_val *attrs;
  int64_t suid = 0;
  *why = "answer-malformed";
  GH_REQUIRE(pc && gh_val_unwrap(pc, &root, &attrs), GH_EPROTO);
  GH_REQUIRE(gh_val_get_int(attrs, GH_STR("suid"), &suid) && gh_val_get_str(attrs, GH_STR("kv"), &out->key) &&
                 gh_val_get_str(attrs, GH_STR("cr"), &out->owner) && gh_val_get_str(attrs, GH_STR("et"), &out->until),
             GH_EPROTO);
  /*= TS-0003 8.2.2.3 a key is used for nothing but what its SUID says */
  *why = "suid-violation";
  return suid == want_suid ? GH_OK : GH_EAUTH;
}

/*= TS-0003 8.3.2.1 the older form of the MEF */
static gh_err read_credential(const gh_val *pc, parts *out, const char **why)
{
  bool status = false;
  *why = "answer-malformed";
  GH_REQUIRE(pc && gh_val_get_bool(pc, GH_STR("status"), &status), GH_EPROTO);
  *why = "refused-by-issuer";
  GH_REQUIRE(status, GH_EAUTH);
  *why = "answer-malformed";
  bool complete =
      gh_val_get_str(pc, GH_STR("credential"), &out->key) && gh_val_get_str(pc, GH_STR("lifetime"), &out->until);
  gh_val_get_str(pc, GH_STR("enroleeID"), &out->owner);
  return complete ? GH_OK : GH_EPROTO;
}

static gh_err read_key(gh_str text, gh_secret *out)
{
  uint8_t octets[GH_SECRET_MAX_BYTES];
  size_t len = 0;
  gh_err err = gh_base64_decode(text, octets, sizeof octets, &len);
  if (err == GH_OK) err = len >= 16 ? gh_secret_set(out, octets, len) : GH_EPROTO;
  gh_wipe(octets, sizeof octets);
  return err;
}

static gh_err name_peer(const gh_host *host, gh_arena *arena, const gh_fetch_options *options, gh_str id,
                        gh_str owner, gh_peer *out)
{
  gh_peer_kind kind = gh_peer_kind_of(owner);
  if (kind != GH_PEER_CREDENTIAL) { /* identities are compared in their absolute form, and in no other */
    GH_REQUIRE(gh_id_parse(owner).scope == GH_SCOPE_ABSOLUTE, GH_EPROTO);
    GH_TRY(gh_id_absolute(arena, &host->config.self, owner, &owner));
  }
  unsigned type = options->provisional ? GH_CRED_MAF_KEY : GH_CRED_SAEF_KEY;
  *out = (gh_peer){.kind = kind,
                   .method = GH_METHOD_PSK,
                   .id = kind == GH_PEER_CREDENTIAL ? GH_STR_NONE : owner,
                   .credential_id = gh_credential_id(arena, type, id),
                   .key_id = id,
                   .suid = options->want_suid,
                   .provisional = options->provisional};
  if (kind == GH_PEER_CREDENTIAL && owner.len) out->credential_id = owner; /* the issuer knows it by its credential */
  return GH_OK;
}

static gh_err take(const gh_host *host, gh_arena *arena, const gh_fetch_options *options, gh_str id,
                   const parts *from, gh_fetch_answer *out)
{
  int64_t not_after;
  out->why = "answer-malformed";
  GH_TRY(read_key(from->key, &out->key));
  GH_TRY(gh_timestamp_parse(from->until, &not_after));
  out->why = "expired";
  GH_REQUIRE(not_after > gh_host_now_us(host), GH_EEXPIRED);
  out->why = "answer-malformed";
  GH_TRY(name_peer(host, arena, options, id, from->owner, &out->peer));
  out->peer.not_after_us = not_after;
  out->why = "fetched";
  return GH_OK;
}

/* A fault of the issuer's own: it has not said that there is no such key, and nobody is to lose one by it. */
static bool is_fault(int rsc)
{
  return rsc >= GH_RSC_INTERNAL_SERVER_ERROR || rsc == GH_RSC_REQUEST_TIMEOUT;
}

static gh_err read_status(const gh_outbound_call *call, const char **why)
{
  *why = "issuer-unreachable";
  if (call->err != GH_OK || call->response.rsc == GH_RSC_OK) return call->err;
  bool fault = is_fault(call->response.rsc);
  *why = fault ? "issuer-failed" : "refused-by-issuer";
  return fault ? GH_ECONN : GH_EAUTH;
}

void gh_fetch_judge_answer(const gh_host *host, gh_outbound_call *call, const gh_fetch_options *options, gh_str id,
                           bool older_form, gh_fetch_answer *out)
{
  parts found = {.owner = GH_STR_NONE};
  *out = (gh_fetch_answer){.peer = {.kind = GH_PEER_NONE}};
  out->err = read_status(call, &out->why);
  if (out->err == GH_OK)
    out->err = older_form ? read_credential(call->response.pc, &found, &out->why)
                          : read_registered(call->response.pc, options->want_suid, &found, &out->why);
  if (out->err == GH_OK) out->err = take(host, &call->arena, options, id, &found, out);
}
