/* Requests of a client through an MQTT broker (TS-0010), for client.c: a session with the broker, one request at a
 * time, its answer awaited. The other end of the TLS association is the broker. */
#ifndef GH_CLIENT_CLIENT_MQTT_H
#define GH_CLIENT_CLIENT_MQTT_H

#include "client/client.h"
#include "link/tls.h"

typedef struct gh_client_mqtt gh_client_mqtt;

/* Connects and is let in by the broker. `tls` must outlive it. GH_EAUTH: the handshake failed, or the broker refuses
 * the client; GH_ECONN: nobody there; GH_ETIMEOUT; GH_EINVAL. */
GH_MUST_USE gh_err gh_client_mqtt_open(const gh_client_options *options, gh_tls_client *tls, uint32_t timeout_ms,
                                       gh_client_mqtt **out, gh_diag *diag);
/* As gh_client_request. GH_EACCES: the broker does not let us listen for the answer. */
GH_MUST_USE gh_err gh_client_mqtt_request(gh_client_mqtt *mqtt, gh_arena *arena, const gh_request *request,
                                          gh_response *response, gh_diag *diag);
bool gh_client_mqtt_is_open(const gh_client_mqtt *mqtt);
/* Says DISCONNECT. NULL is allowed. */
void gh_client_mqtt_close(gh_client_mqtt *mqtt);

#endif
