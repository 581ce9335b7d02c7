%% @doc The port program as an OS process: how it is started, how it ended, and how it is made
%% to end.
%%
%% The process id is the one that the VM has for the child it started, and never one that the
%% program reports. Where there is `/proc' it is kept with the time of the start, so that no other
%% process that got the id later is taken for it.
%% @private
-module(gentcp_program).

-export([open/0, hello/3, path/0, os_pid/1, lives/1, kill/1, see_off/2, ending/1]).

-export_type([program/0, hello/0, ending/0]).

-include_lib("kernel/include/logger.hrl").

-record(program, {
    os_pid :: non_neg_integer(),
    %% When it was started, as /proc has it.
    born :: binary() | unknown
}).

-opaque program() :: #program{}.
-type hello() :: #{atom() => term()}.

-type ending() :: {exit_status, non_neg_integer()} | term().
%% What the port said at its end.

%% Between these two the VM has senders wait for the pipe. The default of 8 KB
%% would suspend them long before it is full.
-define(BUSY_LIMITS, {512 * 1024, 1024 * 1024}).

%% How long a program that was killed may take to go, and how often that is looked at.
-define(LAST_WAIT, 5000).
-define(LOOK, 10).

%% @doc Starts a program, whose port belongs to the calling process.
-spec open() -> {ok, port(), program()} | {error, atom()}.
open() ->
    Args = application:get_env(gentcp, port_args, []),
    _ = gentcp_atoms:known(),
    _ = gentcp_proto:secret(),
    try
        open_port({spawn_executable, path()},
                  [{packet, 4}, binary, use_stdio, exit_status, {args, Args},
                   {busy_limits_port, ?BUSY_LIMITS}, {busy_limits_msgq, disabled}])
    of
        Port -> {ok, Port, program(Port)}
    catch
        error:Reason ->
            ?LOG_ERROR("gentcp: cannot start the port program ~ts: ~ts",
                       [path(), file:format_error(Reason)]),
            {error, Reason}
    end.

program(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, OsPid} -> #program{os_pid = OsPid, born = born(OsPid)};
        %% It has ended by now.
        undefined -> #program{os_pid = 0, born = unknown}
    end.

%% @doc Waits so many milliseconds for the hello of a program, or for the end of the parent of
%% the calling process.
-spec hello(port(), pid(), non_neg_integer()) -> {ok, hello()} | {error, atom()}.
hello(Port, Parent, Patience) ->
    receive
        {Port, {data, Frame}} ->
            try gentcp_proto:decode(Frame) of
                [{hello, 1, #{} = Hello}] ->
                    {ok, Hello};
                Other ->
                    ?LOG_ERROR("gentcp: ~ts speaks another protocol: ~0tP", [path(), Other, 20]),
                    {error, eproto}
            catch
                error:_ ->
                    ?LOG_ERROR("gentcp: ~ts speaks no protocol: ~0tP", [path(), Frame, 20]),
                    {error, eproto}
            end;
        {Port, {exit_status, _} = Ending} ->
            ?LOG_ERROR("gentcp: ~ts ~ts at once", [path(), ending(Ending)]),
            {error, eproto};
        {'EXIT', Port, Reason} ->
            ?LOG_ERROR("gentcp: ~ts ~ts at once", [path(), ending(Reason)]),
            {error, eproto};
        {'EXIT', Parent, _Reason} ->
            {error, closed}
    after Patience ->
        ?LOG_ERROR("gentcp: ~ts says nothing", [path()]),
        {error, etimedout}
    end.

%% @doc Where the program is.
-spec path() -> file:filename().
path() ->
    case application:get_env(gentcp, port_program, undefined) of
        undefined -> filename:join(priv_dir(), "gentcp_port");
        Path -> Path
    end.

%% Beside ebin, whatever the directory of the application is called.
priv_dir() ->
    case code:priv_dir(gentcp) of
        {error, bad_name} ->
            {file, File} = code:is_loaded(?MODULE),
            filename:join([filename:dirname(File), "..", "priv"]);
        Dir ->
            Dir
    end.

-spec os_pid(program()) -> non_neg_integer().
os_pid(#program{os_pid = OsPid}) ->
    OsPid.

%% @doc Says in words how a program ended.
-spec ending(ending()) -> iodata().
ending({exit_status, Status}) when Status > 128 ->
    io_lib:format("was killed by signal ~b", [Status - 128]);
ending({exit_status, Status}) ->
    io_lib:format("exited with ~b", [Status]);
ending(Reason) ->
    io_lib:format("has closed its pipe (~tp)", [Reason]).

%% @doc Whether the process is there. A zombie is not.
-spec lives(program()) -> boolean().
lives(#program{os_pid = 0}) ->
    false;
lives(#program{os_pid = OsPid, born = unknown}) ->
    os:cmd("kill -0 " ++ integer_to_list(OsPid) ++ " 2>&1") =:= "";
lives(#program{os_pid = OsPid, born = Born}) ->
    born(OsPid) =:= Born.

%% The third field, behind a name that may have anything in it, is the state, and the
%% twenty-second the time of the start.
born(OsPid) ->
    case file:read_file(lists:concat(["/proc/", OsPid, "/stat"])) of
        {ok, Stat} ->
            [_, Fields] = string:split(Stat, ") ", trailing),
            case binary:split(Fields, <<" ">>, [global]) of
                [State | _] when State =:= <<"Z">>; State =:= <<"X">> -> unknown;
                [_ | Rest] -> lists:nth(19, Rest)
            end;
        {error, _} ->
            unknown
    end.

%% @doc Kills the process, if it is there.
-spec kill(program()) -> ok.
kill(#program{os_pid = OsPid} = Program) ->
    _ = lives(Program) andalso os:cmd("kill -KILL " ++ integer_to_list(OsPid) ++ " 2>&1"),
    ok.

%% @doc Waits until the process is gone: so many milliseconds for it to go by itself, and then
%% it is killed.
-spec see_off(program(), non_neg_integer()) -> ok.
see_off(Program, Patience) ->
    case is_gone_within(Program, Patience) of
        true ->
            ok;
        false ->
            kill(Program),
            case is_gone_within(Program, ?LAST_WAIT) of
                true ->
                    ok;
                false ->
                    ?LOG_ERROR("gentcp: port program ~b cannot be killed", [os_pid(Program)])
            end
    end.

is_gone_within(Program, Patience) ->
    case lives(Program) of
        false ->
            true;
        true when Patience > 0 ->
            timer:sleep(min(Patience, ?LOOK)),
            is_gone_within(Program, Patience - ?LOOK);
        true ->
            false
    end.
