/* The device's inside, for the device_*.c files. */
#ifndef GH_CLIENT_DEVICE_PRIVATE_H
#define GH_CLIENT_DEVICE_PRIVATE_H

#include "base/clock.h"
#include "client/client.h"
#include "client/conf_table.h"
#include "client/device_status.h"
#include "gatehouse/client.h"
#include "se/se.h"

enum { GH_DEVICE_DIR_BYTES = 3800, GH_DEVICE_PATH_BYTES = 4096 };

struct gh_device {
  gh_arena arena;   /* configuration and state */
  gh_arena scratch; /* of one call: requests, the reply */
  char dir[GH_DEVICE_DIR_BYTES];
  gh_device_config config;
  gh_device_state state;
  gh_str km_ke_id; /* state: the KeID that Km was derived from */
  gh_str
      cse_key_name; /* state: "maf", "mef", "psk", "public-key" or "certificate", of the association with the CSE */
  gh_str told_serialization; /* state: what the own <AE> says that it likes best; empty: nothing */
  gh_se *se;
  gh_clock clock;
  gh_random random;
  gh_client *cse;                  /* association with the CSE, or NULL */
  gh_client_on_request on_request; /* over MQTT, WebSocket: of associations with the CSE from now on; NULL: none */
  void *on_request_ctx;
  bool in_request;         /* on_request runs, inside that association */
  bool in_notify;          /* the program's call-back runs, whichever way the request came */
  bool leave;              /* it ended that association, which must not go while it runs: gone when it has returned */
  gh_device_status status; /* of the CSE's certificate */
  unsigned cse_lists;      /* the generation that the association with the CSE was held against */
  bool cbor;               /* over WebSocket and MQTT: the serialization of the next association */
};

/* device_conf.c, device_state.c */
extern const gh_conf_table gh_device_conf_table;
GH_MUST_USE gh_err gh_device_conf_read(gh_device *device, gh_diag *diag);
GH_MUST_USE gh_err gh_device_conf_write(const char *dir, const gh_device_config *config, gh_diag *diag);
bool gh_device_binding_valid(gh_str binding);
bool gh_device_serialization_valid(gh_str text);
GH_MUST_USE gh_err gh_device_conf_check(const gh_device_config *config, gh_diag *diag);
GH_MUST_USE gh_err gh_device_state_read(gh_device *device, gh_diag *diag);
/* Durable before it returns. */
GH_MUST_USE gh_err gh_device_state_write(gh_device *device, gh_diag *diag);
/* Copies into the device's arena. */
void gh_device_state_set(gh_device *device, gh_str *field, gh_str text);

GH_MUST_USE gh_err gh_device_path(const char *dir, const char *name, char out[static GH_DEVICE_PATH_BYTES],
                                  gh_diag *diag);

/* device_exchange.c: beginning of a public call. GH_EINVAL: within a call-back that runs inside the device's own
 * association, of which a call around it may be in the middle. `reply` may be NULL. */
GH_MUST_USE gh_err gh_device_begin(gh_device *device, gh_reply *reply, gh_diag *diag);
/* The association is left if the call-back wanted it. */
void gh_device_leave(gh_device *device);
/* TLS-PSK with a key of the secure environment, or, for GH_SE_PRIVATE_KEY, with raw public keys or certificates on
 * both sides. Sets
 * reply->alert. `step` is the call that brings the key, for the
 * message. */
typedef struct gh_device_credential {
  gh_se_kind kind;
  gh_str id;
  const char *what; /* "Kc" */
  const char *step; /* "register a key at the MAF" */
} gh_device_credential;
GH_MUST_USE gh_err gh_device_connect(gh_device *device, const gh_device_peer *peer,
                                     const gh_device_credential *credential, gh_client **out, gh_reply *reply,
                                     gh_diag *diag);
/* Sends, fills the reply. *pc (may be NULL) is the inner object of the content when its root is `root`. */
GH_MUST_USE gh_err gh_device_ask(gh_device *device, gh_client *client, gh_request *request, gh_str root,
                                 gh_val **attrs, gh_reply *reply, gh_diag *diag);
static inline bool gh_reply_refused(const gh_reply *reply)
{
  return reply->rsc >= 4000;
}
/* now + seconds, as m2m:timestamp in the scratch arena. */
gh_str gh_device_after(gh_device *device, int64_t seconds);
/* A mandatory timestamp of a response, in the future. GH_EPROTO. */
GH_MUST_USE gh_err gh_device_read_until(gh_device *device, const gh_val *attrs, int64_t *until_us, gh_diag *diag);

/* device_cse.c: the association that stands is left where the certificate of its other end is revoked by now. */
void gh_device_hold_against_lists(gh_device *device);
/* device_cse.c: which key the associations with the CSE use. */
gh_device_key gh_device_usual_key(const gh_device *device);
/* From now on this one; durable. */
GH_MUST_USE gh_err gh_device_choose_key(gh_device *device, gh_device_key key, gh_diag *diag);

/* device_certificate.c: for one handshake; all of it in `secret`, the caller wipes key_pem. GH_ENOTFOUND,
 * GH_EEXPIRED. From then on the device's `status` is by its sources. */
GH_MUST_USE gh_err gh_device_use_certificate(gh_device *device, gh_arena *secret, gh_device_certificate *out);
/* How long a handshake waits for what is asked: the rest of it must still fit into its time. */
static inline uint32_t gh_device_status_ms(const gh_device *device)
{
  return (uint32_t)(device->config.timeout_ms / 2);
}
#define GH_DEVICE_OWN_CERTIFICATE "certificate" /* of the record in the secure environment */

/* device_revocation.c: appended to the record behind the anchors, and taken off them. GH_EINVAL, GH_EIO, GH_ESYNTAX
 * (file with CRLs); GH_ETAMPER. Read, the policies are those that are followed. */
GH_MUST_USE gh_err gh_device_revocation_write(const gh_device_revocation *revocation, gh_buf *record, gh_diag *diag);
GH_MUST_USE gh_err gh_device_revocation_read(gh_str *anchors, gh_device_revocation *out);

/* device_maf.c: gh_device_register_key within another call. */
GH_MUST_USE gh_err gh_device_new_kc(gh_device *device, gh_reply *reply, gh_diag *diag);

/* device_public_key.c: its private key, there or made now. `key_id`: ni:///.. in the scratch arena. */
GH_MUST_USE gh_err gh_device_own_key(gh_device *device, gh_str *key_id, gh_diag *diag);
#define GH_DEVICE_OWN_KEY "public-key" /* of it in the secure environment */

/* device_commands.c: TS-0003 8.3.9 */
GH_MUST_USE gh_err gh_device_run_commands(gh_device *device, gh_client *client, gh_reply *reply, gh_diag *diag);

/* device_key_reg.c: key registration at a MEF or MAF (TS-0003 8.3.5.2.7, 8.8.2.7) with the exporter of this
 * association. The canonical key identifier is in the scratch arena. Nothing is set when the reply is a refusal. */
typedef struct gh_key_reg {
  gh_str base;     /* "mef", "maf" */
  gh_str fqdn;     /* of the function */
  gh_se_kind kind; /* under which the key is kept */
  int suid;
  gh_str target;
} gh_key_reg;
GH_MUST_USE gh_err gh_device_key_reg(gh_device *device, gh_client *client, const gh_key_reg *reg, gh_str *key_id,
                                     int64_t *until_us, gh_reply *reply, gh_diag *diag);

#endif
