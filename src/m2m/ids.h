/* Identifiers and addressing (TS-0001 clause 7.2, TS-0004 clause 6.2.3 and 7.3.2.6). Pure functions on
 * slices; nothing here decides who anybody is. */
#ifndef GH_M2M_IDS_H
#define GH_M2M_IDS_H

#include "base/arena.h"

/* The names of the CSE or function that does the comparing. */
typedef struct gh_self {
  gh_str sp_fqdn; /* "sp.example.com", lower case */
  gh_str cse_id;  /* stem without slash: "in-cse"; for MAF/MEF the first FQDN label */
  gh_str cse_rn;  /* resourceName of the CSEBase ("cse-in"), or the base name "maf"/"mef" */
  gh_str in_cse;  /* stem of the IN-CSE of this SP (equal to cse_id on the IN-CSE) */
} gh_self;

bool gh_fqdn_valid(gh_str fqdn);           /* labels 1..63 of letters, digits, hyphen; at most 253 octets */
bool gh_stem_valid(gh_str stem);           /* RFC 3986 unreserved, 1..128 octets, not "." or ".." */
bool gh_resource_name_valid(gh_str name);  /* letters, digits, "-._~", first alphanumeric, 1..128 octets */
bool gh_app_id_valid(gh_str app_id);       /* first character R, r or N, nothing outside printable ASCII */
bool gh_role_or_token_id_valid(gh_str id); /* name@fqdn */

typedef enum gh_id_kind {
  GH_ID_INVALID,
  GH_ID_SP,   /* //sp */
  GH_ID_CSE,  /* /cse, //sp/cse */
  GH_ID_AE_C, /* Cxx, /cse/Cxx, //sp/cse/Cxx */
  GH_ID_AE_S, /* Sxx, /Sxx, //sp/Sxx */
  GH_ID_OTHER /* a bare stem beginning with another letter */
} gh_id_kind;

typedef enum gh_scope { GH_SCOPE_STEM, GH_SCOPE_SP, GH_SCOPE_ABSOLUTE } gh_scope;

typedef struct gh_id {
  gh_id_kind kind;
  gh_scope scope;
  gh_str sp;   /* FQDN; empty unless absolute */
  gh_str cse;  /* CSE stem; empty for S-type and bare stems */
  gh_str stem; /* AE stem; empty for SP and CSE */
} gh_id;

/* Classifies an originator or CSE-ID / AE-ID. "/Sxx" is an S-type AE-ID, "/other" a CSE-ID: a CSE whose
 * stem begins with S or C must be written so that the caller knows (see gh_id_parse_cse). */
gh_id gh_id_parse(gh_str text);

/* The canonical form that every comparison uses: absolute, FQDN part in lower case. Stems keep their
 * case. GH_ESYNTAX when `text` is not an identifier. */
GH_MUST_USE gh_err gh_id_absolute(gh_arena *arena, const gh_self *self, gh_str text, gh_str *out);
/* Absolute form of the own CSE-ID. */
gh_str gh_self_cse_absolute(gh_arena *arena, const gh_self *self);
/* Shortest form of an absolute AE-ID / CSE-ID as seen from `self`: own C-type and S-type AEs become stems,
 * others SP-relative, foreign SPs stay absolute. */
gh_str gh_id_relative(gh_arena *arena, const gh_self *self, gh_str absolute);
/* Is this absolute identifier (or address) one of another service provider? */
bool gh_id_is_foreign(const gh_self *self, gh_str absolute);
/* The form in which an absolute ID leaves this CSE inside its own SP: "/cse", "/cse/Cxx", "/Sxx"; foreign SPs stay
 * absolute. */
gh_str gh_id_sp_relative(const gh_self *self, gh_str absolute);
/* FQDN form for KDF 10.3.7: CSE "stem.in-cse.sp" (IN-CSE "in-cse.sp"), AE C-type
 * "Cxx." + FQDN form of its CSE, S-type "Sxx.sp". Input an absolute ID. A plain FQDN passes unchanged. */
GH_MUST_USE gh_err gh_id_fqdn_form(gh_arena *arena, const gh_self *self, gh_str absolute, gh_str *out);

/* A target address (To). */
typedef struct gh_addr {
  gh_scope scope;   /* GH_SCOPE_STEM: CSE-relative */
  gh_str sp;        /* when absolute */
  gh_str cse;       /* when SP-relative or absolute */
  gh_str path;      /* CSE-relative rest without leading slash; may be empty (the CSE itself) */
  gh_str attribute; /* behind '#', or empty */
} gh_addr;

/* GH_ESYNTAX on empty text, empty segments ("a//b"), control characters, blanks, '%', '?', over 1024 octets, more
 * than 32 segments. A trailing slash is tolerated. */
GH_MUST_USE gh_err gh_addr_parse(gh_str to, gh_addr *out);
/* True when the address names a resource of `self` (own SP and CSE-ID, or CSE-relative). */
bool gh_addr_is_local(const gh_addr *addr, const gh_self *self);

#endif
