/* In which serialization a request goes to whom it is sent on to: the receiver has said what it reads, and in what
 * order it likes it (contentSerialization of <AE> and <remoteCSE>, TS-0001 9.6.4, 9.6.5). */
#ifndef GH_HOST_SERIALIZATION_H
#define GH_HOST_SERIALIZATION_H

#include "host/host.h"

/* The first one in csz that is written here; JSON where nothing is said. False: all that is named are others (XML
 * alone), and nothing can be sent. A list with a word that is none of the standard's says nothing: it was stored
 * before such lists were refused. */
GH_MUST_USE bool gh_serialization_of(const gh_val *attrs, gh_representation *out);
/* The same of another CSE (absolute CSE-ID): as it is registered here, or, of the registrar, as it is configured. */
GH_MUST_USE bool gh_serialization_of_cse(gh_host *host, gh_arena *arena, gh_str cse, gh_representation *out);
/* The request goes in it, and asks for an answer in it (TS-0004 7.3.3.12). */
GH_NONNULL void gh_serialization_use(gh_request *request, gh_representation representation);
/* What csz says of this program: this one first, then the others that it reads. */
GH_NONNULL gh_val *gh_serialization_list(gh_arena *arena, gh_representation first);

#endif
