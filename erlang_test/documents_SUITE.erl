%% @doc What the documents say about the suites: the cases that they name are
%% there, and nothing is cited that is explained nowhere.
-module(documents_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

suite() -> [{timetrap, {seconds, 30}}].

all() -> [named_cases_exist, named_suites_exist, no_unexplained_codes].

%% BEHAVIOUR.md names a case as `suite: case'.
named_cases_exist(_) ->
    Named = do_all("doc/BEHAVIOUR.md", "`([a-z_0-9]+): ([a-z_0-9]+)`"),
    ?assert(length(Named) > 300),
    ?assertEqual([], [Case || [Suite, Name] = Case <- Named,
                              not do_is_case(list_to_atom(Suite ++ "_SUITE"), list_to_atom(Name))]).

named_suites_exist(_) ->
    Named = lists:usort(do_all("doc/SUPPORT.md", "[^`a-z_0-9]([a-z_0-9]+_SUITE)")),
    ?assert(length(Named) > 10),
    ?assertEqual([], [Suite || [Name] = Suite <- Named, not do_is_suite(list_to_atom(Name))]).

%% A letter and a number, as of a list that is somewhere else.
no_unexplained_codes(_) ->
    Files = repository:files("erlang_test/*.erl") ++ repository:files("doc/*.md"),
    ?assert(length(Files) > 20),
    ?assertEqual([], [{File, Code} || File <- Files,
                                      [Code] <- do_matches(File, "\\b([A-Z]-[0-9]{1,2})\\b")]).

do_all(Name, Pattern) ->
    do_matches(repository:file(Name), Pattern).

do_matches(File, Pattern) ->
    {ok, Text} = file:read_file(File),
    case re:run(Text, Pattern, [global, {capture, all_but_first, list}]) of
        {match, Matches} -> Matches;
        nomatch -> []
    end.

do_is_case(Suite, Name) ->
    do_is_suite(Suite) andalso erlang:function_exported(Suite, Name, 1).

do_is_suite(Suite) ->
    code:ensure_loaded(Suite) =:= {module, Suite}.
