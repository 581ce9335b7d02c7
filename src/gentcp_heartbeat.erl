%% @doc Watches for a port program that is stuck: one that is stopped, or does
%% not come to an end with something, never gives notice.
%%
%% A program that says nothing for a beat is asked for a sign of life, and
%% killed if there is none within another. This is a process of its own, as
%% is the one that asks, because who writes to a full pipe waits until somebody
%% reads it: the router could not watch what it waits for.
%% @private
-module(gentcp_heartbeat).

-export([start_link/3, init/3]).

-include_lib("kernel/include/logger.hrl").

%% @doc Watches a port with its program, in beats of milliseconds. Ends with the port, and with
%% the calling process.
-spec start_link(port(), gentcp_program:program(), timeout()) -> pid() | none.
start_link(_Port, _Program, infinity) ->
    none;
start_link(Port, Program, Beat) ->
    proc_lib:spawn_link(?MODULE, init, [Port, Program, Beat]).

-spec init(port(), gentcp_program:program(), non_neg_integer()) -> ok.
init(Port, Program, Beat) ->
    watch(Port, Program, Beat, heard(Port)).

watch(_Port, _Program, _Beat, closed) ->
    ok;
watch(Port, Program, Beat, Before) ->
    timer:sleep(Beat),
    case heard(Port) of
        Before ->
            _ = spawn_link(fun() -> ask(Port) end),
            timer:sleep(Beat),
            case heard(Port) of
                closed -> ok;
                Before -> kill(Port, Program);
                Now -> watch(Port, Program, Beat, Now)
            end;
        Now ->
            watch(Port, Program, Beat, Now)
    end.

%% Octets that have come from the program.
heard(Port) ->
    case erlang:port_info(Port, input) of
        {input, Octets} -> Octets;
        undefined -> closed
    end.

ask(Port) ->
    try port_command(Port, gentcp_proto:router_call(ping, ping)) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%% The port closes by itself as a rule; but not for a program that cannot be
%% killed, such as one in a system call that never returns.
kill(Port, Program) ->
    ?LOG_ERROR("gentcp: port program ~b gives no sign of life and is killed",
               [gentcp_program:os_pid(Program)]),
    gentcp_program:kill(Program),
    true = try port_close(Port) catch error:badarg -> true end,
    ok.
