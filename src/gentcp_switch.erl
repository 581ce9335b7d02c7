%% @doc Whether a node is on gentcp: who may say so, and what is said of it.
%%
%% A node is switched on by {@link gentcp:install/1}, by `-s gentcp' on its command line, and, when the
%% application starts, by the environment variable `GENTCP' or the key `install' of the
%% application's environment; the variable goes before the key. Every way ends here,
%% and none fails in silence: what does not work is logged as an error and returned or raised.
%% @private
-module(gentcp_switch).

-export([on/1, off/0, at_start/0, installed/0]).

-export_type([options/0]).

-include_lib("kernel/include/logger.hrl").

-type options() :: #{}.
%% There are none yet. One that is not known is an error.

-define(VARIABLE, "GENTCP").

%% @doc Opens every `gen_tcp' socket of the node on gentcp from now on.
-spec on(options()) -> ok | {error, term()}.
on(Options) ->
    case valid(Options) of
        true -> on();
        false -> failed({bad_option, Options})
    end.

on() ->
    %% First the application and its port program: installing waits for others that install, and
    %% the application may be one of them while it starts.
    case started() of
        ok ->
            Was = gentcp_install:is_installed(),
            case gentcp_install:install() of
                ok when Was -> ok;
                ok -> ?LOG_NOTICE("gen_tcp on gentcp ~ts, ~ts", [version(), programs()]);
                {error, Reason} -> failed(Reason)
            end;
        {error, Reason} ->
            failed(Reason)
    end.

started() ->
    case gentcp_sup:start() of
        ok ->
            case gentcp_sup:router() of
                {ok, _Router} -> ok;
                Error -> Error
            end;
        Error ->
            Error
    end.

failed(Reason) ->
    ?LOG_ERROR("gentcp is not installed, gen_tcp stays on the stock driver: ~tp", [Reason]),
    {error, Reason}.

version() ->
    _ = application:load(gentcp),
    {ok, Version} = application:get_key(gentcp, vsn),
    Version.

programs() ->
    case [integer_to_list(OsPid) || #{os_pid := OsPid} <- gentcp:port_info(all)] of
        [OsPid] -> ["OS process ", OsPid];
        OsPids -> ["OS processes ", lists:join(", ", OsPids)]
    end.

%% @doc Opens sockets on the stock driver from now on.
-spec off() -> ok.
off() ->
    case gentcp_install:is_installed() of
        true ->
            ok = gentcp_install:uninstall(),
            ?LOG_NOTICE("gen_tcp on the stock driver");
        false ->
            ok
    end.

-spec installed() -> boolean().
installed() ->
    gentcp_install:is_installed().

%% @doc What the environment asks of an application that starts.
-spec at_start() -> ok | {error, term()}.
at_start() ->
    case asked() of
        {ok, Options} -> on(Options);
        no -> ok;
        {error, Reason} -> failed(Reason)
    end.

asked() ->
    case os:getenv(?VARIABLE) of
        Unset when Unset =:= false; Unset =:= "" ->
            case application:get_env(gentcp, install, false) of
                false -> no;
                true -> {ok, #{}};
                Options when is_map(Options) -> {ok, Options};
                Other -> {error, {bad_env, {install, Other}}}
            end;
        Off when Off =:= "0"; Off =:= "false" ->
            no;
        On when On =:= "1"; On =:= "true" ->
            {ok, #{}};
        Text ->
            case term(Text) of
                {ok, Options} when is_map(Options) -> {ok, Options};
                _ -> {error, {bad_env, {?VARIABLE, Text}}}
            end
    end.

term(Text) ->
    case erl_scan:string(Text ++ ".") of
        {ok, Tokens, _} -> erl_parse:parse_term(Tokens);
        {error, _, _} -> error
    end.

valid(Options) ->
    Options =:= #{}.
