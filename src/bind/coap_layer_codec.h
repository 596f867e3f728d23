/* The message layer of CoAP over datagrams (RFC 7252 clause 4) for one association: confirmable messages and their
 * retransmission, acknowledgements piggybacked or empty, duplicates. A state machine on octets; time, randomness and
 * the sending of datagrams are handed in. What arrived through one association never matches what another sent. */
#ifndef GH_BIND_COAP_LAYER_CODEC_H
#define GH_BIND_COAP_LAYER_CODEC_H

#include "base/clock.h"
#include "base/random.h"
#include "bind/coap_codec.h"

typedef struct gh_coap_timing { /* RFC 7252 4.8, microseconds */
  int64_t ack_timeout_us;       /* first wait for an acknowledgement; times 1 to 1.5 */
  int64_t ack_delay_us;         /* an answer that takes longer is sent separately */
  int64_t lifetime_us;          /* EXCHANGE_LIFETIME: a Message ID is remembered so long */
  int max_retransmit;
} gh_coap_timing;
extern const gh_coap_timing gh_coap_default_timing;

enum {
  GH_COAP_RECENT_MAX = 128, /* Message IDs remembered */
  GH_COAP_REPLIES_MAX = 16, /* answers kept for duplicates: the newest */
  GH_COAP_QUEUE_MAX = 32 /* own confirmable messages that are not acknowledged; one of them is under way (NSTART) */
};

typedef struct gh_coap_recent gh_coap_recent;
typedef struct gh_coap_outgoing gh_coap_outgoing;

typedef struct gh_coap_layer {
  gh_coap_timing timing;
  const gh_random *random;
  void (*emit)(void *ctx, gh_str datagram);
  void (*lost)(void *ctx, uint16_t mid); /* an own message was reset, or never acknowledged; may be NULL */
  void *ctx;
  bool client; /* responses are expected */
  /* private */
  gh_coap_recent *recent, *oldest; /* newest first */
  size_t recent_count, under_way;  /* of those, not yet answered */
  gh_coap_recent **by_mid;         /* the same ones by Message ID; NULL before the first */
  gh_coap_outgoing *first, *last;
  size_t queued;
  uint16_t next_mid; /* once `numbers_begun` */
  bool numbers_begun;
  uint32_t next_id;
} gh_coap_layer;

/* timing NULL: the defaults of RFC 7252. `random` must outlive it. */
void gh_coap_layer_init(gh_coap_layer *layer, const gh_coap_timing *timing, const gh_random *random,
                        void (*emit)(void *ctx, gh_str datagram), void *ctx);
void gh_coap_layer_free(gh_coap_layer *layer);

typedef enum gh_coap_event {
  GH_COAP_NOTHING,     /* dealt with */
  GH_COAP_NEW_REQUEST, /* perform *message, then gh_coap_layer_answer(*request_id) */
  GH_COAP_NEW_RESPONSE /* client only: to the request with its token */
} gh_coap_event;

/* *message borrows from `datagram`. */
gh_coap_event gh_coap_layer_take(gh_coap_layer *layer, int64_t now_us, gh_str datagram, gh_coap_message *message,
                                 uint32_t *request_id);
/* The answer to a request: sets type and Message ID, sends it, and keeps it for duplicates. */
void gh_coap_layer_answer(gh_coap_layer *layer, int64_t now_us, uint32_t request_id, gh_coap_message *answer);
/* The request was not performed and will be when it comes again. */
void gh_coap_layer_forget(gh_coap_layer *layer, uint32_t request_id);
/* Client: sends a confirmable message now, or when those before it are acknowledged. GH_ELIMIT. *mid names it. */
GH_MUST_USE gh_err gh_coap_layer_send(gh_coap_layer *layer, int64_t now_us, gh_coap_message *message, uint16_t *mid);
/* An empty message, which every peer that has this association answers with a reset. Not repeated, not waited for. */
void gh_coap_layer_ping(gh_coap_layer *layer);
/* Sends what is due. Returns when it wants to be called again, INT64_MAX: not before something happens. */
int64_t gh_coap_layer_tick(gh_coap_layer *layer, int64_t now_us);

#endif
