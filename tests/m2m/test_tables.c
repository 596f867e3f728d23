/* The generated tables: order, spot checks against the standard, lookups of what is not there. */
#include "cmocka_all.h"

#include "m2m/constants.h"
#include "m2m/tables_private.h"

static const gh_type_def *type_of(const char *root)
{
  const gh_type_def *type = gh_type_by_root(gh_str_of(root));
  if (!type) fail_msg("%s", root);
  return type;
}

static const gh_attr_def *attr_of(const char *root, const char *short_name)
{
  const gh_attr_def *attr = gh_type_attr(type_of(root), gh_str_of(short_name));
  if (!attr) fail_msg("%s %s", root, short_name);
  return attr;
}

/* Binary searches depend on the order; every entry must be found by its own key. */
static void every_entry_is_found(void **state)
{
  (void)state;
  assert_true(gh_tab_types_count > 100);
  for (size_t i = 0; i < gh_tab_types_count; i++) {
    const gh_type_def *type = &gh_tab_types[i];
    assert_ptr_equal(gh_type_by_root(gh_str_of(type->root)), type);
    const gh_type_def *first = gh_type_by_number(type->ty);
    assert_non_null(first);
    assert_int_equal(first->ty, type->ty);
    for (size_t k = 0; k < type->attr_count; k++) {
      if (k > 0) assert_true(strcmp(type->attrs[k - 1].short_name, type->attrs[k].short_name) < 0);
      if (type->attrs[k].short_name[0] != '*')
        assert_ptr_equal(gh_type_attr(type, gh_str_of(type->attrs[k].short_name)), &type->attrs[k]);
    }
    for (size_t k = 0; k < type->child_count; k++) assert_true(gh_type_allows_child(type, type->children[k]));
  }
  for (size_t i = 0; i < gh_tab_rscs_count; i++) assert_ptr_equal(gh_rsc_find(gh_tab_rscs[i].rsc), &gh_tab_rscs[i]);
  for (size_t i = 1; i < gh_tab_enums_count; i++)
    assert_true(strcmp(gh_tab_enums[i - 1].name, gh_tab_enums[i].name) < 0);
}

static void resource_types(void **state)
{
  (void)state;
  assert_string_equal(gh_type_by_number(GH_TY_ACCESS_CONTROL_POLICY)->root, "m2m:acp");
  assert_string_equal(gh_type_by_number(GH_TY_AE)->root, "m2m:ae");
  assert_string_equal(gh_type_by_number(GH_TY_CSEBASE)->root, "m2m:cb");
  assert_string_equal(gh_type_by_number(GH_TY_CONTENT_INSTANCE)->root, "m2m:cin");
  assert_string_equal(gh_type_by_number(10002)->root, "m2m:aeA");
  assert_string_equal(gh_type_by_number(GH_TY_SYMM_KEY_REG)->root, "sec:skr");
  assert_string_equal(gh_type_by_number(GH_TY_ENROLEE)->name, "enrolee");
  assert_int_equal(GH_TY_ENROLEE, 41001);
  assert_int_equal(GH_TY_MAFBASE, 40001);
  assert_null(gh_type_by_number(0));
  assert_null(gh_type_by_number(33));
  assert_null(gh_type_by_number(UINT32_MAX));
  assert_null(gh_type_by_root(GH_STR("m2m:la"))); /* virtual: never created */
  assert_null(gh_type_by_root(GH_STR("ae")));
  assert_null(gh_type_by_root(GH_STR("m2m:aex")));
  assert_null(gh_type_by_root(GH_STR("M2M:ae")));
  assert_null(gh_type_by_root(GH_STR("")));
  assert_true(type_of("m2m:mssp")->in_cse_only && !type_of("m2m:cnt")->in_cse_only);
}

/* All specializations of mgmtObj are of type 13; the root tells them apart. */
static void management_objects(void **state)
{
  (void)state;
  assert_string_equal(gh_type_by_number(GH_TY_MGMT_OBJ)->name, "mgmtObj");
  assert_int_equal(type_of("dcfg:autp")->ty, 13);
  assert_string_equal(type_of("dcfg:autp")->name, "authenticationProfile");
  assert_string_equal(type_of("m2m:fwr")->name, "firmware");
  assert_ptr_equal(type_of("dcfg:macc"), type_of("dcfg:mafcr"));
  assert_string_equal(gh_type_by_number(10013)->root, "m2m:mgoA");
}

static void children(void **state)
{
  (void)state;
  assert_true(gh_type_allows_child(type_of("m2m:cb"), GH_TY_AE));
  assert_true(gh_type_allows_child(type_of("m2m:cnt"), GH_TY_CONTENT_INSTANCE));
  assert_true(gh_type_allows_child(type_of("m2m:nod"), GH_TY_MGMT_OBJ));
  assert_true(gh_type_allows_child(type_of("sec:mefb"), GH_TY_ENROLEE));
  assert_true(gh_type_allows_child(type_of("sec:mefb"), GH_TY_MEF_CLIENT_REG));
  assert_true(gh_type_allows_child(type_of("sec:mecr"), GH_TY_MEF_CLIENT_CMD));
  assert_false(gh_type_allows_child(type_of("sec:mafb"), GH_TY_ENROLEE));
  assert_false(gh_type_allows_child(type_of("sec:mafb"), GH_TY_MEF_CLIENT_REG));
  assert_false(gh_type_allows_child(type_of("m2m:cin"), GH_TY_CONTAINER));
  assert_false(gh_type_allows_child(type_of("m2m:cnt"), GH_TY_AE));
  assert_false(gh_type_allows_child(type_of("sec:skr"), GH_TY_SYMM_KEY_REG));
  assert_false(gh_type_allows_child(type_of("m2m:acp"), 0));
}

static void attributes(void **state)
{
  (void)state;
  const gh_attr_def *api = attr_of("m2m:ae", "api");
  assert_string_equal(api->long_name, "App-ID");
  assert_int_equal(api->create, GH_MAND);
  assert_int_equal(api->update, GH_NP);
  assert_true(api->single && !api->list && !api->release4);
  assert_true(attr_of("m2m:ae", "acpi")->list && !attr_of("m2m:ae", "acpi")->single);
  assert_true(attr_of("m2m:cnt", "cr")->read_only && attr_of("m2m:cnt", "cr")->create == GH_OPT);
  assert_int_equal(attr_of("sec:skr", "cr")->create, GH_NP);
  assert_true(attr_of("m2m:cnt", "cstn")->release4);
  assert_int_equal(attr_of("sec:mecm", "cmst")->update, GH_MAND);
  assert_int_equal(attr_of("gh:enr", "kv")->create, GH_MAND);
  assert_int_equal(attr_of("gh:enr", "syki")->update, GH_NP);
  assert_string_equal(attr_of("gh:enr", "tgis")->data_type, "m2m:listOfM2MID");
  assert_int_equal(attr_of("m2m:aeA", "lnk")->create, GH_MAND);
  assert_int_equal(attr_of("m2m:aeA", "api")->create, GH_OPT);
  assert_null(gh_type_attr(type_of("m2m:ae"), GH_STR("zz")));
  assert_null(gh_type_attr(type_of("m2m:ae"), GH_STR("")));
  assert_null(gh_type_attr(type_of("m2m:ae"), GH_STR("App-ID")));
  assert_null(gh_type_attr(type_of("m2m:fcnt"), GH_STR("*")));
  assert_non_null(gh_type_open_attr(type_of("m2m:fcnt")));
  assert_null(gh_type_open_attr(type_of("m2m:ae")));
}

/*= TS-0004 6.6.3; response status codes and their classes */
/*= TS-0009 6.3.2; mapping to HTTP */
/*= TS-0008 6.2.4; mapping to CoAP */
static void response_codes(void **state)
{
  (void)state;
  assert_string_equal(gh_rsc_find(4103)->name, "ORIGINATOR_HAS_NO_PRIVILEGE");
  assert_int_equal(gh_rsc_find(GH_RSC_ORIGINATOR_HAS_NO_PRIVILEGE)->http_status, 403);
  assert_int_equal(gh_rsc_find(GH_RSC_OK)->coap_code, (2 << 5) | 5);
  assert_int_equal(gh_rsc_find(GH_RSC_CREATED)->http_status, 201);
  assert_int_equal(gh_rsc_find(1000)->coap_code, -1);
  assert_int_equal(gh_rsc_find(GH_RSC_ESPRIM_DECRYPTION_ERROR)->http_status, 500);
  assert_int_equal(GH_RSC_DISCOVERY_LIMIT_EXCEEDED_4130, 4130);
  assert_int_equal(GH_RSC_DISCOVERY_LIMIT_EXCEEDED_4137, 4137);
  assert_int_equal(gh_rsc_find(4999)->rsc, 4000);
  assert_int_equal(gh_rsc_find(2999)->rsc, 2000);
  assert_int_equal(gh_rsc_find(1999)->rsc, 1000);
  assert_int_equal(gh_rsc_find(5999)->rsc, 5000);
  assert_int_equal(gh_rsc_find(6999)->rsc, 5000);
  assert_int_equal(gh_rsc_find(3000)->rsc, 5000);
  assert_int_equal(gh_rsc_find(0)->rsc, 5000);
  assert_int_equal(gh_rsc_find(-4103)->rsc, 5000);
  assert_int_equal(gh_rsc_find(99999)->rsc, 5000);
}

static void enumerations(void **state)
{
  (void)state;
  assert_true(gh_enum_has("m2m:operation", 5) && !gh_enum_has("m2m:operation", 6) &&
              !gh_enum_has("m2m:operation", 0));
  assert_true(gh_enum_has("m2m:eventCat", 2) && gh_enum_has("m2m:eventCat", 100) && gh_enum_has("m2m:eventCat", 999));
  assert_false(gh_enum_has("m2m:eventCat", 5) || gh_enum_has("m2m:eventCat", 1000));
  assert_true(gh_enum_has("m2m:resourceType", 34) && gh_enum_has("m2m:resourceType", 41001));
  assert_false(gh_enum_has("m2m:resourceType", 33) || gh_enum_has("m2m:resourceType", 10033)); /* void */
  assert_true(gh_enum_has("m2m:accessControlOperations", 1) && gh_enum_has("m2m:accessControlOperations", 63));
  assert_false(gh_enum_has("m2m:accessControlOperations", 0) || gh_enum_has("m2m:accessControlOperations", 64) ||
               gh_enum_has("m2m:accessControlOperations", -1));
  assert_true(gh_enum_has("sec:cmdClassID", 0) && !gh_enum_has("sec:cmdClassID", 4));
  assert_false(gh_enum_has("m2m:nothing", 1) || gh_enum_has("", 1));
  assert_false(gh_enum_has("m2m:operation", INT64_MAX) || gh_enum_has("m2m:operation", INT64_MIN));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_entry_is_found), cmocka_unit_test(resource_types),
      cmocka_unit_test(management_objects),   cmocka_unit_test(children),
      cmocka_unit_test(attributes),           cmocka_unit_test(response_codes),
      cmocka_unit_test(enumerations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
