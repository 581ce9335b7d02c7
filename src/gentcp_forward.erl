%% @doc The template of the modules that take the names `inet_tcp', `inet6_tcp'
%% and `local_tcp' while {@link gentcp_install} is, or was, in force.
%%
%% It is loaded under those names, with `?MODULE' meaning the name. What
%% opens a socket goes where a switch points: to a callback module of gentcp, or to
%% a copy of the stock module under another name. All else goes to the copy,
%% since only port sockets come here with it.
%%
%% What OTP itself does with ports stays with the copy too. That is `peer', which has its
%% listen socket accept through `prim_inet', and the distribution. It
%% listens in the process `net_kernel', and connects in processes that are linked to it: with three
%% arguments where `gen_tcp' gives four or a map, but over TLS with four. `erl_epmd' keeps the connection that
%% registers this node as long as it lives.
%% @private
-module(gentcp_forward).

-export([connect/3, connect/4, listen/2, fdopen/2, accept/1, accept/2]).
-export([send/2, send/3, recv/2, recv/3, unrecv/2, shutdown/2, close/1, controlling_process/2]).
-export([family/0, mask/2, parse_address/1, translate_ip/1]).
-export([getserv/1, getaddr/1, getaddr/2, getaddrs/1, getaddrs/2]).
-export(['$handle_undefined_function'/2]).

%% The results are those of the module that a call goes to.
-spec connect(term(), term(), term()) -> term().
connect(Address, Opts, Timeout) when is_map(Address) ->
    opened((opener()):connect(Address, Opts, Timeout));
connect(Address, Port, Opts) ->
    opened((stock()):connect(Address, Port, Opts)).

-spec connect(term(), term(), term(), term()) -> term().
connect(Address, Port, Opts, Timeout) ->
    opened((opener()):connect(Address, Port, Opts, Timeout)).

-spec listen(term(), term()) -> term().
listen(Port, Opts) ->
    opened((opener()):listen(Port, Opts)).

opener() ->
    case is_peer() orelse is_distribution() of
        true -> stock();
        false -> gentcp_install:opener(?MODULE)
    end.

is_peer() ->
    get('$initial_call') =:= {peer, init, 1}.

%% Where there is no distribution there is no `net_kernel'.
is_distribution() ->
    case whereis(net_kernel) of
        undefined ->
            false;
        Kernel when Kernel =:= self() ->
            true;
        Kernel ->
            {links, Links} = process_info(self(), links),
            lists:member(Kernel, Links) orelse whereis(erl_epmd) =:= self()
    end.

-spec fdopen(term(), term()) -> term().
fdopen(Fd, Opts) ->
    opened((gentcp_install:opener(?MODULE)):fdopen(Fd, Opts)).

-spec accept(term()) -> term().
accept(Listener) ->
    opened((stock()):accept(Listener)).

-spec accept(term(), term()) -> term().
accept(Listener, Timeout) ->
    opened((stock()):accept(Listener, Timeout)).

%% The copy has registered the port under its own name.
opened({ok, Port} = Result) when is_port(Port) ->
    _ = inet_db:register_socket(Port, ?MODULE),
    Result;
opened(Result) ->
    Result.

stock() ->
    gentcp_install:stock(?MODULE).

-spec send(term(), term()) -> term().
send(S, Data) -> (stock()):send(S, Data).

-spec send(term(), term(), term()) -> term().
send(S, Data, Opts) -> (stock()):send(S, Data, Opts).

-spec recv(term(), term()) -> term().
recv(S, Length) -> (stock()):recv(S, Length).

-spec recv(term(), term(), term()) -> term().
recv(S, Length, Timeout) -> (stock()):recv(S, Length, Timeout).

-spec unrecv(term(), term()) -> term().
unrecv(S, Data) -> (stock()):unrecv(S, Data).

-spec shutdown(term(), term()) -> term().
shutdown(S, How) -> (stock()):shutdown(S, How).

-spec close(term()) -> term().
close(S) -> (stock()):close(S).

-spec controlling_process(term(), term()) -> term().
controlling_process(S, NewOwner) -> (stock()):controlling_process(S, NewOwner).

-spec family() -> term().
family() -> (stock()):family().

-spec mask(term(), term()) -> term().
mask(Mask, Address) -> (stock()):mask(Mask, Address).

-spec parse_address(term()) -> term().
parse_address(Host) -> (stock()):parse_address(Host).

-spec translate_ip(term()) -> term().
translate_ip(Address) -> (stock()):translate_ip(Address).

-spec getserv(term()) -> term().
getserv(Port) -> (stock()):getserv(Port).

-spec getaddr(term()) -> term().
getaddr(Address) -> (stock()):getaddr(Address).

-spec getaddr(term(), term()) -> term().
getaddr(Address, Timer) -> (stock()):getaddr(Address, Timer).

-spec getaddrs(term()) -> term().
getaddrs(Address) -> (stock()):getaddrs(Address).

-spec getaddrs(term(), term()) -> term().
getaddrs(Address, Timer) -> (stock()):getaddrs(Address, Timer).

%% @doc Functions that a release of OTP has and this template does not know.
-spec '$handle_undefined_function'(atom(), [term()]) -> term().
'$handle_undefined_function'(Function, Arguments) ->
    apply(stock(), Function, Arguments).
