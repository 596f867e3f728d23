/* contentSerialization: what a receiver has said, and what is made of it. */
#include "host/serialization.h"

/*= TS-0001 9.6.5; TS-0004 7.5.1.1 the most preferred one comes first */
bool gh_serialization_of(const gh_val *attrs, gh_representation *out)
{
  const gh_val *list = attrs ? gh_val_get(attrs, GH_STR("csz")) : NULL;
  *out = GH_REP_JSON;
  if (!list || list->type != GH_VAL_ARRAY || !list->u.array.count) return true;
  for (const gh_val *v = list->u.array.first; v; v = v->next)
    if (v->type != GH_VAL_STR || !gh_representation_is_word(v->u.str)) return true;
  for (const gh_val *v = list->u.array.first; v; v = v->next)
    if (gh_representation_by_name(v->u.str, out)) return true;
  return false;
}

bool gh_serialization_of_cse(gh_host *host, gh_arena *arena, gh_str cse, gh_representation *out)
{
  const gh_function *function = host->function;
  *out = host->config.serialization;
  if (gh_str_eq(cse, host->config.registrar)) return true;
  *out = GH_REP_JSON;
  gh_node *node = function->registered_cse ? function->registered_cse(host, arena, cse) : NULL;
  gh_val *attrs = NULL;
  bool can = !node || gh_node_attrs(arena, node, &attrs) != GH_OK || gh_serialization_of(attrs, out);
  gh_node_unref(node);
  return can;
}

/* The kind of a media type says what the Content is: that stays. application/json is what nothing at all means. */
static const gh_media_type *same_kind(const gh_media_type *type, gh_representation representation)
{
  gh_media_kind kind = type ? type->kind : GH_MEDIA_PLAIN;
  return kind == GH_MEDIA_PLAIN && representation == GH_REP_JSON ? NULL : gh_media_type_of(representation, kind);
}

void gh_serialization_use(gh_request *request, gh_representation representation)
{
  request->content_type = same_kind(request->content_type, representation);
  request->accept = same_kind(request->accept, representation);
}

/*= TS-0001 9.6.3; TS-0004 6.3.3 the words of m2m:serializations */
gh_val *gh_serialization_list(gh_arena *arena, gh_representation first)
{
  gh_val *list = gh_val_array(arena);
  gh_representation second = first == GH_REP_JSON ? GH_REP_CBOR : GH_REP_JSON;
  gh_val_push(list, gh_val_str(arena, gh_representation_name(first)));
  gh_val_push(list, gh_val_str(arena, gh_representation_name(second)));
  return list;
}
