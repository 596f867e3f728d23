/* The proven peer: copy, clear, name. */
#include "link/peer.h"

void gh_peer_copy(gh_peer *to, const gh_peer *from)
{
  *to = *from;
  to->id = gh_str_clone(from->id);
  to->credential_id = gh_str_clone(from->credential_id);
  to->key_id = gh_str_clone(from->key_id);
}

void gh_peer_clear(gh_peer *peer)
{
  gh_str_release(&peer->id);
  gh_str_release(&peer->credential_id);
  gh_str_release(&peer->key_id);
  *peer = (gh_peer){.kind = GH_PEER_NONE};
}

static const char *kind_name(gh_peer_kind kind)
{
  switch (kind) {
  case GH_PEER_NONE: return "nobody";
  case GH_PEER_CREDENTIAL: return "credential";
  case GH_PEER_AE: return "AE";
  case GH_PEER_CSE: return "CSE";
  case GH_PEER_FUNCTION: return "function";
  case GH_PEER_NODE: return "node";
  }
  return "?";
}

gh_str gh_peer_text(gh_arena *arena, const gh_peer *peer)
{
  gh_str name = peer->id.len ? peer->id : peer->credential_id;
  return gh_arena_fmt(arena, "%s %.*s", kind_name(peer->kind), GH_STR_ARG(name));
}
