/* Resource identifier <-> Uri-Path and Location-Path options (TS-0008 6.2.2.3). Private to the CoAP codec. */
#ifndef GH_BIND_COAP_PATH_CODEC_H
#define GH_BIND_COAP_PATH_CODEC_H

#include "bind/coap_codec.h"

/* Copies. GH_ENOTFOUND when there is no such option; GH_ESYNTAX with *diag. */
GH_MUST_USE gh_err gh_coap_read_path(gh_arena *arena, const gh_coap_message *message, uint16_t number, gh_str *id,
                                     gh_diag *diag);
/* The part of `id` before '#'. GH_EINVAL when a segment is longer than an option may be, or there are too many. */
GH_MUST_USE gh_err gh_coap_write_path(gh_coap_message *message, uint16_t number, gh_str id);

#endif
