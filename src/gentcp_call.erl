%% @doc Calls: a command is written to the port program, or a question put to its router, and the
%% answer is waited for.
%%
%% All of gentcp that waits for long does so here, in code that changes seldom: a process
%% that waits is not in the way when `gentcp' is loaded again, and again.
%%
%% The answer comes from the router, under an alias of the caller that ends with it. If
%% the port program ends first, so does the router. Each function makes the alias beside its
%% receive, so that the compiler sees that nothing that was in the mailbox before can be the answer: a
%% million messages there cost nothing.
%%
%% A call that has a time of its own keeps it here too, whatever the port program does. As a rule
%% that is the one that decides. A little later the caller withdraws its call, and then the
%% router decides: an answer that was there first is on its way to the caller already; if there was
%% none it is `{error, timeout}', and what the program reports later, such as data, is given back to it.
%% @private
-module(gentcp_call).

-export([call/4, ask_input/4, close/3, send_in_parts/4, write/3]).
-export([open/4, accept/4, ask/2]).

-export_type([limit/0, shared/0]).

-type limit() :: timeout() | {blocked, timeout()}.
%% How long the answer may take, in milliseconds: from the beginning; or, where others may have to be
%% waited for, from the last sign of life of the port program.

-type shared() :: {Router :: pid(), gentcp_credit:array(), gentcp_ahead:loans()}.
%% What the users of a port program share with its router.

%% By how much the port program may be late before its caller decides.
-define(GRACE, 250).

%% How long stock `close' waits for output that does not move.
-define(CLOSE_LIMIT, 5000).

%% The longest time that can be waited for in one go, seven weeks. Beyond it the port program alone
%% keeps the time.
-define(MAX_LIMIT, (16#FFFFFFFF - ?GRACE)).

%%
%% Of the port program
%%

%% @doc Calls a command.
-spec call(port(), pid(), gentcp_proto:command(), limit()) -> ok | {ok, term()} | {error, term()}.
call(Port, Router, Command, Limit) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    case start(Port, gentcp_proto:call(Ref, Command), Limit) of
        {error, _} = Error ->
            _ = erlang:demonitor(Ref, [flush]),
            Error;
        Writer ->
            wait(Ref, Port, Router, gentcp_proto:waiting(Ref, Command), Writer, Limit)
    end.

wait(Ref, Port, Router, Waiting, Writer, Limit) ->
    receive
        %% A number that no caller can mean, beyond what the wire takes.
        {Ref, {error, {bad_command, _}}} -> {error, einval};
        {Ref, Result} -> Result;
        {'DOWN', Ref, process, _, _} -> {error, closed}
    after patience(Limit) ->
        case is_tuple(Limit) andalso call(Port, Router, ping, 0) of
            {ok, pong} ->
                wait(Ref, Port, Router, Waiting, Writer, Limit);
            _ ->
                stop(Writer),
                Router ! {withdraw, Ref, Waiting},
                receive
                    {Ref, Result} -> Result;
                    {'DOWN', Ref, process, _, _} -> {error, closed}
                end
        end
    end.

patience(infinity) -> infinity;
patience({blocked, Limit}) -> patience(Limit);
patience(Limit) when Limit > ?MAX_LIMIT -> infinity;
patience(Limit) -> Limit + ?GRACE.

%% @doc Calls a command that asks for the input of a socket, or changes how it is read, and so ends
%% the loan of packets.
-spec ask_input(gentcp_port:socket(), shared(), gentcp_proto:command(), limit()) ->
          ok | {ok, term()} | {error, term()}.
ask_input({'$inet', gentcp, {Port, Id, Slot}}, {Router, Credit, Loans}, Command, Limit) ->
    case gentcp_credit:told(Credit, Slot, Id) of
        unknown ->
            call(Port, Router, Command, Limit);
        Told ->
            Question = gentcp_ahead:ask(Loans, Slot, Id),
            Settled = gentcp_proto:settled(Question, Id, gentcp_proto:told(Command, Told)),
            Result = call(Port, Router, Settled, Limit),
            %% An error may be that of a command that was not sent.
            _ = is_tuple(Result) andalso element(1, Result) =:= error
                orelse gentcp_ahead:answered(Loans, Slot, Question),
            Result
    end.

%% @doc Calls a `close'. A port program that does nothing gets it all the same when it does
%% something again.
-spec close(port(), pid(), gentcp_proto:id()) -> ok.
close(Port, Router, Id) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    case start(Port, gentcp_proto:call(Ref, {close, Id}), ?CLOSE_LIMIT) of
        {error, _} ->
            _ = erlang:demonitor(Ref, [flush]),
            ok;
        _Writer ->
            wait_for_close(Ref, Port, Router)
    end.

%% The port program has limits of its own, the longest of which is three minutes.
wait_for_close(Ref, Port, Router) ->
    receive
        {Ref, _} -> ok;
        {'DOWN', Ref, process, _, _} -> ok
    after patience(?CLOSE_LIMIT) ->
        case call(Port, Router, ping, 0) of
            {ok, pong} ->
                wait_for_close(Ref, Port, Router);
            _ ->
                _ = erlang:demonitor(Ref, [flush]),
                ok
        end
    end.

%% @doc Calls a send of which the parts are written by a function that gets the alias to call
%% the last one with. Another process writes them: a caller that is killed must not
%% leave the half of a packet behind.
-spec send_in_parts(port(), pid(), fun((reference()) -> term()), limit()) -> ok | {error, term()}.
send_in_parts(Port, Router, Write, Limit) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    _ = spawn(fun() -> Write(Ref) end),
    wait(Ref, Port, Router, Ref, none, Limit).

%% @doc Writes a frame that nobody answers.
-spec write(port(), iodata(), timeout()) -> ok | {error, closed | timeout}.
write(Port, Frame, infinity) ->
    try port_command(Port, Frame) of
        true -> ok
    catch
        error:badarg -> {error, closed}
    end;
write(Port, Frame, Limit) ->
    {Writer, Ref} = spawn_monitor(fun() -> write(Port, Frame, infinity) =:= ok orelse exit(closed) end),
    receive
        {'DOWN', Ref, process, _, Reason} -> written(Reason)
    after min(Limit, ?MAX_LIMIT) ->
        exit(Writer, kill),
        receive
            {'DOWN', Ref, process, _, Reason} -> written(Reason)
        end
    end.

written(normal) -> ok;
written(killed) -> {error, timeout};
written(_) -> {error, closed}.

%% Writes a frame. If the pipe is full and there is a limit, another process does.
start(Port, Frame, Limit) ->
    case gentcp_proto:fits(Frame) of
        true when Limit =:= infinity; Limit =:= {blocked, infinity} ->
            case write(Port, Frame, infinity) of
                ok -> none;
                Error -> Error
            end;
        true ->
            try port_command(Port, Frame, [nosuspend]) of
                true -> none;
                false -> spawn(fun() -> write(Port, Frame, infinity) end)
            catch
                error:badarg -> {error, closed}
            end;
        false ->
            {error, einval}
    end.

%% From here on the frame has been written, or never will be.
stop(none) ->
    ok;
stop(Writer) ->
    Ref = erlang:monitor(process, Writer),
    exit(Writer, kill),
    receive {'DOWN', Ref, process, _, _} -> ok end.

%%
%% Of the router
%%

%% @doc Has a router open a socket for the calling process. `Settings' is what the options
%% say; an accepted socket takes the settings of its listener.
%% `{error, noproc}' says that the command was not sent.
-spec open(pid(), gentcp_credit:settings(), gentcp_proto:command(), timeout()) ->
          {ok, gentcp_port:socket()} | {error, term()}.
open(Router, Settings, Command, Limit) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    Router ! {open, self(), Ref, Settings, Command},
    receive
        {Ref, Result} -> Result;
        {'DOWN', Ref, process, _, noproc} -> {error, noproc};
        {'DOWN', Ref, process, _, _} -> {error, closed}
    after patience(Limit) ->
        Router ! {withdraw, Ref, opening},
        receive
            {Ref, Result} -> Result;
            {'DOWN', Ref, process, _, _} -> {error, closed}
        end
    end.

%% @doc Accepts a connection.
-spec accept(pid(), gentcp_credit:settings(), gentcp_proto:command(), timeout()) ->
          {ok, gentcp_port:socket()} | {error, term()}.
accept(Router, Settings, Command, Limit) ->
    case open(Router, Settings, Command, Limit) of
        {error, noproc} -> {error, closed};
        Result -> Result
    end.

%% @doc Asks a router. `closed' if it has ended.
-spec ask(pid(), gentcp_questions:question()) -> term().
ask(Router, Question) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    Router ! {ask, Ref, Question},
    receive
        {Ref, Answer} -> Answer;
        {'DOWN', Ref, process, _, _} -> closed
    end.
