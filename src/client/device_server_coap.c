/* A device that takes requests over CoAP (TS-0008), over DTLS and over TLS: duplicates, frames and blocks are the
 * session's; each request is performed when it is whole. */
#include "bind/coap_codec.h"
#include "client/device_server_private.h"
#include "m2m/constants.h"

static void perform(gh_coap_association *a, uint32_t request_id, gh_coap_message *message)
{
  gh_device_server *server = a->service->owner;
  gh_arena arena;
  gh_request request = {.op = 0};
  gh_response response = {0};
  gh_coap_context context = {0};
  gh_coap_message as_it_came = *message, answer = {.code = 0};
  gh_diag diag = {""};
  gh_arena_init(&arena);
  response.rsc = gh_coap_to_request(&arena, message, &request, &context, &diag);
  response.rsc = response.rsc == GH_RSC_OK ? gh_device_server_take(server, &arena, &request, &response)
                                           : gh_device_server_refuse(&arena, &response, response.rsc, diag.text);
  response.rqi = request.rqi;
  gh_coap_from_response(&arena, &request, &response, &context, &answer);
  gh_coap_association_reply(a, request_id, &arena, &as_it_came, &answer);
  gh_arena_free(&arena);
}

void gh_device_server_coap(gh_device_server *server, bool datagrams, gh_listener_options *options)
{
  const gh_device *device = server->device;
  server->coap = (gh_coap_service){.owner = server,
                                   .random = &device->random,
                                   .max_body_bytes = server->limits.max_body_bytes,
                                   .mtu = (uint16_t)device->config.datagram_mtu,
                                   .perform = perform};
  options->mtu = server->coap.mtu;
  if (datagrams)
    gh_coap_udp_session_options(&server->coap, options);
  else
    gh_coap_tcp_session_options(&server->coap, options);
}
