%% @doc The files of the repository.
-module(repository).

-export([file/1, files/1]).

%% It is above the place where the suites run.
-spec file(string()) -> file:filename().
file(Name) ->
    find(Name, filename:absname(filename:dirname(code:which(gentcp)))).

%% All files that match a pattern like `doc/*.md'.
-spec files(string()) -> [file:filename()].
files(Pattern) ->
    filelib:wildcard(filename:join(filename:dirname(file("go.mod")), Pattern)).

find(Name, Dir) ->
    File = filename:join(Dir, Name),
    case filelib:is_regular(File) of
        true -> File;
        false when Dir =/= "/" -> find(Name, filename:dirname(Dir))
    end.
