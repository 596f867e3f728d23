/* CoAP binding of oneM2M primitives (TS-0008), as pure functions on octets: no sockets, no clock, no decision.
 * Octets <-> gh_coap_message for UDP (RFC 7252) and TCP (RFC 8323), and gh_coap_message <-> primitive. A request
 * decoded here says only what the client wrote: who the client is comes from its association. */
#ifndef GH_BIND_COAP_CODEC_H
#define GH_BIND_COAP_CODEC_H

#include "base/buf.h"
#include "m2m/primitive.h"

#define GH_COAP_CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))

enum {
  GH_COAP_EMPTY = 0,
  GH_COAP_GET = GH_COAP_CODE(0, 1),
  GH_COAP_POST = GH_COAP_CODE(0, 2),
  GH_COAP_PUT = GH_COAP_CODE(0, 3),
  GH_COAP_DELETE = GH_COAP_CODE(0, 4),
  GH_COAP_CREATED = GH_COAP_CODE(2, 1),
  GH_COAP_CHANGED = GH_COAP_CODE(2, 4),
  GH_COAP_CONTENT = GH_COAP_CODE(2, 5),
  GH_COAP_CONTINUE = GH_COAP_CODE(2, 31),
  GH_COAP_BAD_REQUEST = GH_COAP_CODE(4, 0),
  GH_COAP_BAD_OPTION = GH_COAP_CODE(4, 2),
  GH_COAP_FORBIDDEN = GH_COAP_CODE(4, 3),
  GH_COAP_INCOMPLETE = GH_COAP_CODE(4, 8),
  GH_COAP_TOO_LARGE = GH_COAP_CODE(4, 13),
  GH_COAP_INTERNAL = GH_COAP_CODE(5, 0),
  GH_COAP_NO_PROXY = GH_COAP_CODE(5, 5),
  /* signalling over TCP (RFC 8323 clause 5) */
  GH_COAP_CSM = GH_COAP_CODE(7, 1),
  GH_COAP_PING = GH_COAP_CODE(7, 2),
  GH_COAP_PONG = GH_COAP_CODE(7, 3),
  GH_COAP_RELEASE = GH_COAP_CODE(7, 4),
  GH_COAP_ABORT = GH_COAP_CODE(7, 5)
};

/* Option numbers: RFC 7252 table 4, RFC 7959, TS-0008 table 6.2.2.4.0-1. */
enum {
  GH_COAP_URI_HOST = 3,
  GH_COAP_URI_PORT = 7,
  GH_COAP_LOCATION_PATH = 8,
  GH_COAP_URI_PATH = 11,
  GH_COAP_CONTENT_FORMAT = 12,
  GH_COAP_MAX_AGE = 14,
  GH_COAP_URI_QUERY = 15,
  GH_COAP_ACCEPT = 17,
  GH_COAP_BLOCK2 = 23,
  GH_COAP_BLOCK1 = 27,
  GH_COAP_SIZE2 = 28,
  GH_COAP_PROXY_URI = 35,
  GH_COAP_PROXY_SCHEME = 39,
  GH_COAP_SIZE1 = 60,
  GH_COAP_OT = 259,
  GH_COAP_RTURI = 263,
  GH_COAP_TY = 267,
  GH_COAP_RVI = 271,
  GH_COAP_ASRI = 275,
  GH_COAP_FR = 279,
  GH_COAP_RQI = 283,
  GH_COAP_RQET = 291,
  GH_COAP_RSET = 295,
  GH_COAP_OET = 299,
  GH_COAP_EC = 303,
  GH_COAP_RSC = 307,
  GH_COAP_GID = 311,
  GH_COAP_CTO = 319,
  GH_COAP_CTS = 323,
  GH_COAP_ATI = 327,
  GH_COAP_VSI = 331,
  GH_COAP_GTM = 335,
  GH_COAP_AUS = 339
};

/* Options of the signalling messages (RFC 8323 clauses 5.3 to 5.6): numbers are of each code's own. */
enum { GH_COAP_CSM_MAX_MESSAGE_SIZE = 2, GH_COAP_CSM_BLOCK_WISE = 4, GH_COAP_PING_CUSTODY = 2 };

enum {
  GH_COAP_TOKEN_MAX = 8,
  GH_COAP_OPTIONS_MAX = 64, /* in one message; more are refused */
  GH_COAP_DEFAULT_PORT = 5683,
  GH_COAP_DEFAULT_SECURE_PORT = 5684
};

typedef enum gh_coap_type { GH_COAP_CON, GH_COAP_NON, GH_COAP_ACK, GH_COAP_RST } gh_coap_type;

typedef struct gh_coap_option {
  uint16_t number;
  gh_str value;
} gh_coap_option;

/* One message; values and payload borrow. */
typedef struct gh_coap_message {
  gh_coap_type type; /* UDP only */
  uint16_t mid;      /* UDP only */
  uint8_t code;
  uint8_t token_len;
  uint8_t token[GH_COAP_TOKEN_MAX];
  size_t option_count;
  gh_coap_option options[GH_COAP_OPTIONS_MAX]; /* in ascending order of number */
  gh_str payload;                              /* empty when there is none */
} gh_coap_message;

static inline bool gh_coap_is_request(const gh_coap_message *message)
{
  return message->code > 0 && message->code < GH_COAP_CODE(1, 0);
}
static inline bool gh_coap_is_response(const gh_coap_message *message)
{
  return message->code >= GH_COAP_CODE(2, 0) && message->code < GH_COAP_CODE(6, 0);
}
static inline bool gh_coap_is_signal(const gh_coap_message *message)
{
  return message->code >= GH_COAP_CODE(7, 0);
}

/* ---- octets <-> message. GH_ESYNTAX: message format error (RFC 7252 clause 3, answered with a Reset or not at all);
 * GH_ELIMIT: more than GH_COAP_OPTIONS_MAX options, *out holds type, code, mid and token then. */
GH_MUST_USE gh_err gh_coap_parse_udp(gh_str datagram, gh_coap_message *out);
GH_MUST_USE gh_err gh_coap_parse_tcp(gh_str frame, gh_coap_message *out);
/* Length of the frame at the start of `octets`: GH_EAGAIN when its head is not there yet, GH_ESYNTAX, GH_ELIMIT when
 * it is longer than `most`. The frame itself may not be complete. */
GH_MUST_USE gh_err gh_coap_frame_len(gh_str octets, size_t most, size_t *len);
void gh_coap_write_udp(gh_buf *out, const gh_coap_message *message);
void gh_coap_write_tcp(gh_buf *out, const gh_coap_message *message);

/* ---- options. Values are not copied. False when the message is full. */
bool gh_coap_add(gh_coap_message *message, uint16_t number, gh_str value);
bool gh_coap_add_uint(gh_arena *arena, gh_coap_message *message, uint16_t number, uint32_t value);
/* The first one of that number, or NULL. */
const gh_coap_option *gh_coap_find(const gh_coap_message *message, uint16_t number);
/* False when absent; longer than four octets counts as absent. */
bool gh_coap_find_uint(const gh_coap_message *message, uint16_t number, uint32_t *value);

/* First option that must be refused: critical and unknown, of a wrong length, or repeated without being repeatable
 * (RFC 7252 clauses 5.4.1, 5.4.3, 5.4.5); 0 when all are acceptable. Elective ones of that kind are taken out. */
uint16_t gh_coap_check_options(gh_coap_message *message);

/* ---- message <-> primitive */

/* What of a request its answer depends on. */
typedef struct gh_coap_context {
  uint8_t code;         /* 0: as the table says; else the CoAP code of the refusal */
  uint16_t text_format; /* Content-Format of the answer */
} gh_coap_context;

/* Server: CoAP request -> request primitive (TS-0008 6.2). Everything in *out lives in `arena`, nothing borrows from
 * the message. Returns 2000, or the code to answer with and *diag naming the field: 4000, 4005 (method), 4015
 * (Content-Format), 5207 (Accept). Conventions of *out are those of gh_http_to_request. */
int gh_coap_to_request(gh_arena *arena, gh_coap_message *message, gh_request *out, gh_coap_context *context,
                       gh_diag *diag);

/* Server: code, options and payload of the answer; type, mid and token are the caller's. Texts borrow from
 * `response`, `request` and `arena`. */
void gh_coap_from_response(gh_arena *arena, const gh_request *request, const gh_response *response,
                           const gh_coap_context *context, gh_coap_message *out);

/* Client: code, options and payload of a request; type, mid and token are the caller's. op, to and rqi must be set. A
 * '#attribute' of `to` becomes atrl. Relative times are made absolute with `now_us` (wall clock). GH_EINVAL when a
 * value cannot be carried: an option of more than 255 octets. */
GH_MUST_USE gh_err gh_coap_from_request(gh_arena *arena, const gh_request *request, int64_t now_us,
                                        gh_coap_message *out);

/* Client: CoAP response -> response primitive; everything in *out lives in `arena`. oneM2M-RSC decides; without it
 * the code follows from the CoAP code. GH_EPROTO, GH_ESYNTAX. */
GH_MUST_USE gh_err gh_coap_to_response(gh_arena *arena, gh_coap_message *message, gh_response *out, gh_diag *diag);

#endif
