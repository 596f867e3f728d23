/* The CoAP listeners of a running function: over UDP with DTLS, over TCP with TLS. */
#include "client/endpoint.h"
#include "cmd/runtime.h"

typedef gh_err open_port(gh_served *served, const char *host, uint16_t port, gh_diag *diag);

static gh_err open_udp(gh_served *s, const char *host, uint16_t port, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  gh_listener_options options = {
      .host = host, .port = port, .tls = s->coap.dtls, .mtu = (uint16_t)r->realm->limits.datagram_mtu};
  gh_coap_udp_listen_options(&s->coap.server, &options);
  return gh_dtls_listener_open(&options, r->workers, r->worker_count, &r->random, &s->coap.udp_port, &s->coap.udp,
                               diag);
}

static gh_err open_tcp(gh_served *s, const char *host, uint16_t port, gh_diag *diag)
{
  gh_runtime *r = s->runtime;
  gh_listener_options options = {.host = host, .port = port, .tls = s->coap.tls};
  gh_coap_tcp_listen_options(&s->coap.server, &options);
  return gh_listener_open(&options, r->workers, r->worker_count, &s->coap.tcp_port, &s->coap.tcp, diag);
}

/* A port chosen by the system is asked for again after a restart. */
static gh_err listen_at(gh_served *s, gh_str listen, const char *binding, open_port *open, const uint16_t *port,
                        gh_diag *diag)
{
  const gh_realm *realm = s->runtime->realm;
  gh_endpoint at;
  gh_diag ignored;
  if (gh_str_empty(listen)) return GH_OK;
  if (gh_endpoint_parse(listen, &at) != GH_OK)
    return gh_fail(diag, GH_EINVAL, "%s_listen must be address:port", binding);
  uint16_t before = at.port ? 0 : gh_realm_announced_port(realm, s->function, binding);
  bool again = before && open(s, at.host, before, &ignored) == GH_OK;
  if (!again) GH_TRY(open(s, at.host, at.port, diag));
  GH_LOG(&s->runtime->log, GH_LOG_INFO, "serving", GH_F("function", s->function->name), GH_F("binding", binding),
         GH_F("host", (const char *)at.host), GH_F("port", *port));
  return gh_realm_announce_binding(realm, s->function, binding, at.host, *port, diag);
}

gh_err gh_served_coap_listen(gh_served *served, const gh_tls_options *tls, gh_diag *diag)
{
  const gh_realm_function *f = served->function;
  gh_runtime *r = served->runtime;
  served->coap.server = (gh_coap_server){.host = served->host,
                                         .max_body_bytes = (size_t)r->realm->limits.max_body_bytes,
                                         .mtu = (uint16_t)r->realm->limits.datagram_mtu};
  if (!gh_str_empty(f->coap_listen)) {
    gh_tls_options datagrams = *tls;
    datagrams.datagram = true;
    GH_TRY(gh_tls_server_new(&datagrams, &served->host->key_source, &r->random, &served->coap.dtls, diag));
  }
  if (!gh_str_empty(f->coaps_tcp_listen)) {
    gh_tls_options stream = *tls;
    stream.alpn = "coap";
    GH_TRY(gh_tls_server_new(&stream, &served->host->key_source, &r->random, &served->coap.tls, diag));
  }
  GH_TRY(listen_at(served, f->coap_listen, "coap", open_udp, &served->coap.udp_port, diag));
  return listen_at(served, f->coaps_tcp_listen, "coaps_tcp", open_tcp, &served->coap.tcp_port, diag);
}

gh_err gh_served_coap_renew(gh_served *served, const gh_tls_options *tls, gh_diag *diag)
{
  gh_tls_options datagrams = *tls, stream = *tls;
  datagrams.datagram = true;
  stream.alpn = "coap";
  if (served->coap.dtls) GH_TRY(gh_tls_server_renew(served->coap.dtls, &datagrams, diag));
  return served->coap.tls ? gh_tls_server_renew(served->coap.tls, &stream, diag) : GH_OK;
}

void gh_served_coap_close(gh_served *served)
{
  gh_listener_close(served->coap.tcp);
  gh_dtls_listener_close(served->coap.udp);
}

void gh_served_coap_free(gh_served *served)
{
  gh_listener_free(served->coap.tcp);
  gh_dtls_listener_free(served->coap.udp);
  gh_tls_server_free(served->coap.dtls);
  gh_tls_server_free(served->coap.tls);
}
