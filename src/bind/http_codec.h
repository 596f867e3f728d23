/* HTTP/1.1 binding of oneM2M primitives (TS-0009), as pure functions on octets: no sockets, no clock, no decision.
 * gh_http_reader cuts a connection's octets into messages; the other functions turn messages into primitives
 * and back. A request decoded here says only what the client wrote: who the client is comes from its association.
 *
 * A server's loop:  feed -> MESSAGE -> gh_http_to_request -> (perform) -> gh_http_write_response -> gh_http_next ->
 * feed A client's loop:  gh_http_write_request -> feed -> MESSAGE -> gh_http_to_response -> gh_http_next */
#ifndef GH_BIND_HTTP_CODEC_H
#define GH_BIND_HTTP_CODEC_H

#include "base/buf.h"
#include "m2m/primitive.h"

/* Bounds of one message (TP-18). Beyond them the reader fails with the HTTP status in brackets. */
typedef struct gh_http_limits {
  size_t max_head_bytes;   /* start line and header fields [431]; default 16 KiB */
  size_t max_target_bytes; /* request target [414]; default 2 KiB */
  unsigned max_headers;    /* header fields [431]; default 64 */
  size_t max_body_bytes;   /* body after removal of chunked coding [413]; default 256 KiB */
} gh_http_limits;

extern const gh_http_limits gh_http_default_limits;

typedef enum gh_http_method {
  GH_HTTP_GET,
  GH_HTTP_POST,
  GH_HTTP_PUT,
  GH_HTTP_DELETE,
  GH_HTTP_OTHER_METHOD /* known to HTTP, not to oneM2M: answered 4005, then the connection closes */
} gh_http_method;

/* The header fields that mean something here (TS-0009 6.4); all others are counted, checked and ignored. */
typedef enum gh_http_header {
  GH_HTTP_HOST,
  GH_HTTP_ACCEPT,
  GH_HTTP_EXPECT,
  GH_HTTP_UPGRADE,
  GH_HTTP_AUTHORIZATION,
  GH_HTTP_CONTENT_TYPE,
  GH_HTTP_CONTENT_LENGTH,
  GH_HTTP_CONTENT_LOCATION,
  GH_HTTP_CONTENT_ENCODING,
  GH_HTTP_TRANSFER_ENCODING,
  GH_HTTP_X_ORIGIN,
  GH_HTTP_X_RI,
  GH_HTTP_X_RVI,
  GH_HTTP_X_RSC,
  GH_HTTP_X_GID,
  GH_HTTP_X_RTU,
  GH_HTTP_X_OT,
  GH_HTTP_X_RST,
  GH_HTTP_X_RET,
  GH_HTTP_X_OET,
  GH_HTTP_X_EC,
  GH_HTTP_X_ATI,
  GH_HTTP_X_CTS,
  GH_HTTP_X_CTO,
  GH_HTTP_X_VSI,
  GH_HTTP_X_AS,
  GH_HTTP_X_ASRI,
  GH_HTTP_X_GTM,
  GH_HTTP_ORIGIN, /* of a page in a browser */
  GH_HTTP_WS_ACCEPT,
  GH_HTTP_WS_EXTENSIONS,
  GH_HTTP_WS_KEY,
  GH_HTTP_WS_PROTOCOL,
  GH_HTTP_WS_VERSION,
  GH_HTTP_HEADER_COUNT
} gh_http_header;

/* One complete message. Every slice borrows from the reader and dies with gh_http_next or gh_http_reader_free. */
typedef struct gh_http_message {
  gh_http_method method;               /* requests */
  int status;                          /* responses */
  gh_str target;                       /* requests: the request target as it came */
  gh_str body;                         /* without transfer coding; empty when there is none */
  bool keep_alive;                     /* the peer lets the connection live after this exchange */
  bool upgrade;                        /* asks for, or grants, WebSocket; see gh_http_reader.websocket */
  uint64_t seen;                       /* bit per gh_http_header: present */
  uint64_t repeated;                   /* bit per gh_http_header: present more than once */
  gh_str header[GH_HTTP_HEADER_COUNT]; /* first value, blanks trimmed; empty when absent; of Accept and
                                          Sec-WebSocket-Protocol all values, separated by commas */
} gh_http_message;

static inline bool gh_http_has(const gh_http_message *message, gh_http_header header)
{
  return (message->seen >> (unsigned)header) & 1u;
}

typedef enum gh_http_mode { GH_HTTP_REQUESTS, GH_HTTP_RESPONSES } gh_http_mode;

typedef enum gh_http_state {
  GH_HTTP_NEED_MORE, /* everything was consumed; more octets, please */
  GH_HTTP_MESSAGE,   /* reader->message is complete; octets behind it were not consumed */
  GH_HTTP_ERROR      /* reader->error says why; answer it and close, nothing more can be read */
} gh_http_state;

typedef struct gh_http_error {
  int status;       /* HTTP status to answer with */
  int rsc;          /* the response status code that goes with it */
  const char *text; /* for {"m2m:dbg": text}; static */
} gh_http_error;

/* Decoder of the chunked transfer coding; private to the reader. */
typedef struct gh_http_chunks {
  uint8_t state;
  uint64_t left;      /* octets of the current chunk still to come */
  size_t coded_bytes; /* octets taken so far, framing included */
} gh_http_chunks;

/* Reader of one connection. Owned by the connection; about 900 octets plus what the current message needs. */
typedef struct gh_http_reader {
  gh_http_message message; /* valid in state GH_HTTP_MESSAGE */
  gh_http_error error;     /* valid in state GH_HTTP_ERROR */
  bool websocket;          /* set by the owner after init: an Upgrade to WebSocket is a message, not an error */

  /* below: private to the reader */
  const gh_http_limits *limits;
  gh_http_mode mode;
  uint8_t phase;
  uint8_t scan;
  bool continue_wanted;
  unsigned header_count;
  uint64_t body_left;
  gh_http_chunks chunks;
  gh_buf head;
  gh_buf body;
  gh_buf accept;    /* values of a repeated Accept */
  gh_buf protocols; /* values of a repeated Sec-WebSocket-Protocol */
} gh_http_reader;

/* `limits` must outlive the reader; NULL means gh_http_default_limits. Allocates nothing. */
void gh_http_reader_init(gh_http_reader *reader, gh_http_mode mode, const gh_http_limits *limits);
void gh_http_reader_free(gh_http_reader *reader);

/* Takes octets as they arrive, in pieces of any size; the result does not depend on where the pieces were cut.
 * Never takes octets of a second message (pipelining): *consumed says how many were used. In the states MESSAGE and
 * ERROR it consumes nothing and returns the state again. 1xx responses are swallowed. */
gh_http_state gh_http_feed(gh_http_reader *reader, gh_str octets, size_t *consumed);

/* The peer closed its sending side. MESSAGE for a response that ends with the connection, NEED_MORE when it closed
 * between messages (or MESSAGE / ERROR was reached before), ERROR when it closed within one. */
gh_http_state gh_http_feed_end(gh_http_reader *reader);

/* True once for a request with "Expect: 100-continue" whose body has not arrived: write GH_HTTP_CONTINUE_LINE. */
bool gh_http_reader_wants_continue(gh_http_reader *reader);
#define GH_HTTP_CONTINUE_LINE "HTTP/1.1 100 \r\n\r\n"

/* Has the reader taken octets of a message that is not complete? (For the time limits of half requests.) */
bool gh_http_reader_in_message(const gh_http_reader *reader);

/* After MESSAGE: makes ready for the next message. Keeps a little memory for it; gh_http_reader_trim gives back all
 * of it while the connection idles (no effect inside a message). */
void gh_http_next(gh_http_reader *reader);
void gh_http_reader_trim(gh_http_reader *reader);

/* Server: HTTP request -> request primitive (TS-0009 6.2, 6.4, 6.5). Everything in *out lives in `arena`, nothing
 * borrows from the message. Returns 2000, or the code to answer with and *diag naming the field: 4000, 4005 (method),
 * 4015 (Content-Type), 5207 (Accept). op (0 when unknown), rqi and rvi of *out are filled as far as they could be
 * read also then, so that gh_http_write_response can repeat them. fc      holds every filter condition except
 * filterUsage, which is in `fu`; lists are arrays; attribute conditions are under "atr", "catr", "patr" as arrays of
 * {"nm","val"}; values of these stay strings has_fc  is set by any condition, fu, lim, lvl, ofst, fo included gid is
 * filled and also named in `unsupported` unsupported names the first of: tkns (Authorization without a scheme word),
 * gid, oet, ec, aus, grtm, nu, tids, ltids, rids, rp, smf, cfs, cfq, and tqi, auri, da, sqi when true. asi is
 * ignored. content_type is how the body came; accept is what the answer shall be, from Accept or, where that leaves
 * it open, as the body came; it is filled also with a refusal. */
int gh_http_to_request(gh_arena *arena, const gh_http_message *message, gh_request *out, gh_diag *diag);

/* Server: appends a whole response. The status comes from the response code table (TS-0009 6.3.2); `request` (may be
 * NULL) supplies rqi and rvi where the response has none, and the media type of the answer. `location` is a resource
 * identifier and is written as a path. */
void gh_http_write_response(gh_buf *out, const gh_request *request, const gh_response *response, bool keep_alive);

/* Server: an answer before any primitive could be read, body {"m2m:dbg": text}; announces that the connection closes.
 */
void gh_http_write_plain(gh_buf *out, int status, int rsc, gh_str text);

/* Client: appends a whole request with Host `host` ("in-cse.example.com:8443"). op, to and rqi must be set;
 * content_type and accept say what is written and asked for (JSON when NULL). A '#attribute' of `to` becomes atrl
 * (TS-0009 6.2.2.2). GH_EINVAL when a value cannot be carried (control characters).
 */
GH_MUST_USE gh_err gh_http_write_request(gh_buf *out, const gh_request *request, gh_str host);

/* Client: HTTP response -> response primitive; everything in *out lives in `arena`. X-M2M-RSC decides; without it
 * the code follows from the status. A body that is neither JSON nor CBOR leaves pc NULL. GH_EPROTO, GH_ESYNTAX. */
GH_MUST_USE gh_err gh_http_to_response(gh_arena *arena, const gh_http_message *message, gh_response *out,
                                       gh_diag *diag);

/* To <-> path component of the request target (TS-0009 6.2.2.1). */
GH_MUST_USE gh_err gh_http_path_to_id(gh_arena *arena, gh_str path, gh_str *id, gh_diag *diag);
void gh_http_write_path(gh_buf *out, gh_str id); /* the part before '#' */

#endif
