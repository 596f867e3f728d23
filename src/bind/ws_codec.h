/* WebSocket binding of oneM2M primitives (TS-0020, RFC 6455), as functions on octets: the opening handshake on both
 * sides, and a stream of messages behind it. No sockets, no clock, no decision. */
#ifndef GH_BIND_WS_CODEC_H
#define GH_BIND_WS_CODEC_H

#include "base/random.h"
#include "bind/http_codec.h"

/* ---- opening handshake (TS-0020 6.2) */

enum { GH_WS_KEY_CHARS = 24, GH_WS_ACCEPT_CHARS = 28 };

typedef struct gh_ws_grant {
  gh_str protocol; /* the name to answer with: "oneM2M.json"; static */
  gh_representation representation;
  char accept[GH_WS_ACCEPT_CHARS + 1]; /* Sec-WebSocket-Accept */
} gh_ws_grant;

/* Server: may this message (upgrade is set) open a WebSocket? Returns 101 and *out, or the HTTP status to refuse
 * with: 400, 403 (a page in a browser), 404, 426; *why is static text. */
int gh_ws_judge_offer(const gh_http_message *message, gh_ws_grant *out, const char **why);
/* Server: appends the handshake. */
void gh_ws_write_grant(gh_buf *out, const gh_ws_grant *grant);
/* Server: appends a refusal; announces that the connection closes. */
void gh_ws_write_refusal(gh_buf *out, int status, const char *why);

/* Client: a new Sec-WebSocket-Key. */
GH_MUST_USE gh_err gh_ws_make_key(const gh_random *random, char key[static GH_WS_KEY_CHARS + 1]);
/* Client: appends the handshake. */
void gh_ws_write_offer(gh_buf *out, gh_str host, const char *key, gh_representation representation);
/* Client: does this answer grant exactly what was offered? GH_EPROTO. */
GH_MUST_USE gh_err gh_ws_check_grant(const gh_http_message *message, const char *key,
                                     gh_representation representation, gh_diag *diag);

/* ---- messages (RFC 6455 5) */

typedef enum gh_ws_role { GH_WS_SERVER, GH_WS_CLIENT } gh_ws_role;

/* Close codes that we send (RFC 6455 7.4.1). */
enum {
  GH_WS_NORMAL = 1000,
  GH_WS_GOING_AWAY = 1001,
  GH_WS_PROTOCOL_ERROR = 1002,
  GH_WS_UNSUPPORTED = 1003,
  GH_WS_INVALID = 1007,
  GH_WS_TOO_BIG = 1009
};

typedef struct gh_ws_options {
  gh_ws_role role;
  size_t max_message_bytes; /* beyond: closed with 1009, before the octets are there */
  gh_random random;         /* masks of the client */
  gh_buf *out;              /* octets to send are appended here; outlives the stream */
  /* A whole message; the octets are gone after the call. May send and close, must not free the stream. */
  void (*message)(void *ctx, bool binary, gh_str octets);
  /* Asked before further octets are taken: false makes gh_ws_feed return early. NULL: always. What was taken already
   * (4096 octets at most) is performed all the same. */
  bool (*ready)(void *ctx);
  void *ctx;
} gh_ws_options;

typedef struct gh_ws_stream gh_ws_stream;

gh_ws_stream *gh_ws_stream_new(const gh_ws_options *options);
void gh_ws_stream_free(gh_ws_stream *stream);
/* Takes octets as they come, cut anywhere; answers pings and closes by itself. *consumed says how many were taken:
 * fewer when `ready` said no; none once the stream is over. */
void gh_ws_feed(gh_ws_stream *stream, gh_str octets, size_t *consumed);
/* False when nothing can be sent any more: a close was sent or queued. */
bool gh_ws_send(gh_ws_stream *stream, gh_representation representation, gh_str octets);
void gh_ws_ping(gh_ws_stream *stream);
void gh_ws_close(gh_ws_stream *stream, unsigned code, const char *reason);
/* A message has begun and is not complete. */
bool gh_ws_in_message(const gh_ws_stream *stream);
/* Both sides have closed, or the peer broke the protocol and was told: the connection can go. */
bool gh_ws_is_over(const gh_ws_stream *stream);
/* Code of the close that we sent, else of that which came, 0: none. */
unsigned gh_ws_close_code(const gh_ws_stream *stream);

#endif
