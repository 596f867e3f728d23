/* One association with one entity, for callers that wait: a private loop, one connection, one request at a time. Used
 * by one thread at a time. */
#ifndef GH_CLIENT_CLIENT_H
#define GH_CLIENT_CLIENT_H

#include "base/random.h"
#include "gatehouse/secret.h"
#include "link/security_policy.h"
#include "m2m/primitive.h"

typedef struct gh_client gh_client;

/* A request of the other side, over WebSocket: fills *response (rsc, pc; what it needs lives in `arena`). */
typedef void (*gh_client_on_request)(void *ctx, gh_arena *arena, const gh_request *request, gh_response *response);

typedef enum gh_client_binding {
  GH_CLIENT_HTTP,
  GH_CLIENT_COAP,     /* over DTLS */
  GH_CLIENT_COAP_TCP, /* over TLS */
  GH_CLIENT_WS,       /* TS-0020 */
  GH_CLIENT_MQTT      /* TS-0010: `host` is the broker's */
} gh_client_binding;

/* Of MQTT alone. */
typedef struct gh_client_mqtt_names {
  gh_str receiver;      /* CSE-ID of the CSE that is asked: "/in-cse" */
  gh_str prefix;        /* topic levels in front of /oneM2M, or empty */
  gh_str client_id;     /* behind "A::": the AE-ID, or what else is unique at the broker */
  gh_str credential_id; /* under which registration is asked for (TS-0003 10.4) */
  gh_str listener;      /* with on_request: AE-ID-Stem of the AE that takes requests; empty: none */
} gh_client_mqtt_names;

typedef struct gh_client_options {
  gh_str host; /* numeric address or name */
  uint16_t port;
  gh_str server_name;   /* FQDN of the entity: SNI, Host, and with certificates the name that the entity must prove */
  gh_str psk_identity;  /* with `psk`; empty: certificates */
  const gh_secret *psk; /* copied, wiped with the client */
  gh_str chain_pem, key_pem, anchors_pem; /* a key without chain is used as a raw public key */
  gh_str server_keys;               /* public key identifiers of the entity, blank between them: instead of anchors */
  const gh_security_policy *policy; /* NULL: the default */
  const struct gh_status_source
      *status; /* is the entity's certificate revoked? NULL: not asked; outlives the client */
  bool tls13;  /* offer TLS 1.3 beside 1.2 */
  gh_client_binding binding;
  gh_client_mqtt_names mqtt;
  gh_representation representation; /* WebSocket, MQTT: of all its messages */
  gh_client_on_request on_request;  /* WebSocket, MQTT: called within gh_client_request and gh_client_wait_closed;
                                       NULL:  all requests of the other side are answered 4005, over MQTT not at all */
  void *on_request_ctx;
  uint16_t mtu;        /* CoAP over DTLS: largest IP packet; 0: 1280 */
  uint32_t timeout_ms; /* of connect and handshake, and of each request; 0: 10000 */
} gh_client_options;

/* Connects and proves both ends. On failure *alert (may be NULL) is the TLS alert that ended the handshake, -1 when
 * there was none. GH_ECONN: unreachable; GH_EAUTH: the handshake failed, "handshake failed: alert 51 decrypt_error";
 * GH_ETIMEOUT. */
GH_MUST_USE gh_err gh_client_open(const gh_client_options *options, gh_client **out, int *alert, gh_diag *diag);
/* Orderly end of the association. NULL is allowed. */
void gh_client_close(gh_client *client);

/* Sends the request and waits for the response, whose text and values live in `arena`. An empty rqi gets a random
 * one, an empty rvi "3", both in *request. GH_OK: there is a response, whatever its code. GH_ECONN: the entity
 * closed; GH_ETIMEOUT; GH_EPROTO: what came is no response, or one to another request. After an error the association
 * is closed. */
GH_MUST_USE gh_err gh_client_request(gh_client *client, gh_arena *arena, gh_request *request, gh_response *response,
                                     gh_diag *diag);
/* 48 octets of the exporter of this association (TS-0003 10.3.1). GH_ECONN when it is closed. */
GH_MUST_USE gh_err gh_client_export(gh_client *client, const char *label, uint8_t out[static 48]);
/* Waits until the entity closes. GH_ETIMEOUT: it is still open. Over DTLS and WebSocket an entity that is silent is
 * pinged meanwhile, and one that answers no ping is taken for gone. */
GH_MUST_USE gh_err gh_client_wait_closed(gh_client *client, uint32_t timeout_ms);
/* Is the entity's certificate revoked by now, as `status` of the options says? A broker's connection is not used any
 * more then. */
bool gh_client_is_revoked(gh_client *client, const struct gh_status_source *status);
bool gh_client_is_open(const gh_client *client);
/* The last TLS alert seen, -1: none. */
int gh_client_alert(const gh_client *client);
/* "TLSv1.3 TLS_AES_128_GCM_SHA256"; empty when closed. */
gh_str gh_client_protocol(gh_client *client, gh_arena *arena);

/* "decrypt_error". Never NULL. */
const char *gh_alert_name(int alert);

#endif
