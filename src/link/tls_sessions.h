/* The sessions that a server may resume: in memory only, bounded, shared by its workers. Must never say that anybody
 * is who he was: whether a session is resumed is judged in tls_resume.c, each time anew. */
#ifndef GH_LINK_TLS_SESSIONS_H
#define GH_LINK_TLS_SESSIONS_H

#include <stdatomic.h>

#include "base/arena.h"

enum { GH_TLS_SESSION_ID_BYTES = 32, GH_TLS_KEY_MAC_BYTES = 32 };

/* One session. Not changed any more once it is kept; all text owned. */
typedef struct gh_tls_session {
  uint8_t id[GH_TLS_SESSION_ID_BYTES];
  bool once;         /* TLS 1.3: whoever names it takes it away */
  int version;       /* TLS1_2_VERSION .. */
  uint16_t suite;    /* as on the wire */
  uintptr_t context; /* number of the TLS context in which it began */
  int64_t until_us;  /* monotonic: no longer kept */
  int64_t ends_us;   /* wall clock: end of the association in which the credential was proven */
  gh_str state;      /* the session as the library writes it: secret */
  gh_str server_name;
  /* What was proven, one of three: */
  gh_str psk_identity;
  uint8_t key_mac[GH_TLS_KEY_MAC_BYTES]; /* of the pre-shared key, under a key of this process */
  gh_str certs;                          /* DER, one behind another: the peer's, then what it sent with it */
  gh_str public_key;                     /* SubjectPublicKeyInfo */
  gh_str credential;                     /* under which it is forgotten */
  atomic_uint owners;
  struct gh_tls_session *newer, *older, *same_slot; /* of the store */
  struct gh_tls_session *before, *after;            /* in the row of those whose credentials are alike */
} gh_tls_session;

typedef struct gh_tls_sessions gh_tls_sessions;

/* At most `most` sessions, at least one. */
gh_tls_sessions *gh_tls_sessions_new(size_t most);
void gh_tls_sessions_free(gh_tls_sessions *sessions);

/* An empty one, with one owner. */
gh_tls_session *gh_tls_session_new(void);
gh_tls_session *gh_tls_session_ref(gh_tls_session *session);
/* One owner less; the last one wipes it. May be NULL. */
void gh_tls_session_release(gh_tls_session *session);

/* All of these: any thread. `now_us` monotonic. */

/* Takes over the session; where there is no room, that which was not used for longest goes. */
void gh_tls_sessions_put(gh_tls_sessions *sessions, gh_tls_session *session, int64_t now_us);
/* The session of this identifier (release it), or NULL. One that serves once is no longer kept. */
gh_tls_session *gh_tls_sessions_take(gh_tls_sessions *sessions, const uint8_t id[static GH_TLS_SESSION_ID_BYTES],
                                     int64_t now_us);
void gh_tls_sessions_drop(gh_tls_sessions *sessions, const uint8_t id[static GH_TLS_SESSION_ID_BYTES]);
/* All that this credential has proven; how many. */
size_t gh_tls_sessions_forget(gh_tls_sessions *sessions, gh_str credential);
/* Whose time is over; how many. Put and take do it, too, once a minute. */
size_t gh_tls_sessions_expire(gh_tls_sessions *sessions, int64_t now_us);
void gh_tls_sessions_clear(gh_tls_sessions *sessions);
size_t gh_tls_sessions_count(gh_tls_sessions *sessions);

#endif
