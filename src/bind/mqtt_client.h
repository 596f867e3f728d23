/* Requests of a client through an MQTT broker (TS-0010), a session with the broker, one request at a
 * time, its answer awaited. The other end of the TLS association is the broker. */
#ifndef GH_BIND_MQTT_CLIENT_H
#define GH_BIND_MQTT_CLIENT_H

#include "bind/mqtt_topic_codec.h"
#include "link/tls.h"
#include "m2m/primitive.h"

typedef struct gh_mqtt_client gh_mqtt_client;

typedef struct gh_mqtt_client_options {
  gh_str host; /* of the broker: numeric address or name */
  uint16_t port;
  gh_tls_client *tls;   /* must outlive the client */
  uint32_t timeout_ms;  /* of each step of connecting, and of each request */
  gh_str receiver;      /* CSE-ID of the CSE that is asked: "/in-cse" */
  gh_str prefix;        /* topic levels in front of /oneM2M, or empty */
  gh_str client_id;     /* behind "A::" */
  gh_str credential_id; /* under which registration is asked for; empty: under the AE-ID */
  gh_representation representation;
} gh_mqtt_client_options;

/* Connects and is let in by the broker. GH_EAUTH: the handshake failed, or the broker refuses the client; GH_ECONN:
 * nobody there; GH_ETIMEOUT; GH_EINVAL. */
GH_MUST_USE gh_err gh_mqtt_client_open(const gh_mqtt_client_options *options, gh_mqtt_client **out, gh_diag *diag);
/* Sends and waits for the response, whose text and values live in `arena`. from, rqi and rvi are set. GH_EACCES: the
 * broker does not let us listen for the answer. */
GH_MUST_USE gh_err gh_mqtt_client_request(gh_mqtt_client *mqtt, gh_arena *arena, const gh_request *request,
                                          gh_response *response, gh_diag *diag);
bool gh_mqtt_client_is_open(const gh_mqtt_client *mqtt);

/* Fills *response (rsc, pc; what it needs lives in `arena`). */
typedef void (*gh_mqtt_on_request)(void *ctx, gh_arena *arena, const gh_request *request, gh_response *response);
/* From now on takes what the CSE asks the AE of this stem, within gh_mqtt_client_request and gh_mqtt_client_wait;
 * each once, and none past its end. That the CSE asked is believed because the broker lets nobody else publish it.
 * The other calls must not be made by `on_request`. GH_EACCES: the broker does not let us listen. */
GH_MUST_USE gh_err gh_mqtt_client_listen(gh_mqtt_client *mqtt, gh_str stem, gh_mqtt_on_request on_request, void *ctx,
                                         gh_diag *diag);
/* GH_ETIMEOUT: the time is over, and the session stands; GH_OK: it is closed. With 0 it takes what is there already.
 */
GH_MUST_USE gh_err gh_mqtt_client_wait(gh_mqtt_client *mqtt, uint32_t timeout_ms);
/* Has the broker's certificate been revoked since, as `status` of its TLS context says? Then the connection is not
 * used any more. */
bool gh_mqtt_client_is_revoked(gh_mqtt_client *mqtt, const gh_status_source *status);
/* Says DISCONNECT, unless it is not to be used any more. NULL is allowed. */
void gh_mqtt_client_close(gh_mqtt_client *mqtt);

#endif
