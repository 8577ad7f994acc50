"""Shadowserver's report types: what each accuses, how it was got, and its columns.

Facts of the published schema (The-Shadowserver-Foundation/report_schema: reports.json, types.md) and
of each report's documentation page; the categories are ours. One type a line:

    families|name|category|how|established|page|columns

families: 4, 6 or 46 for `scan_x`, `scan6_x`, or both; - where the name has no family.
established: yes, no, tcp (yes when the row's protocol is tcp), - (not known).
page: the last part of the page's address; empty where there is none.
columns: +GROUP or names beyond the type's first group; ? where the columns are not known here.
"""

from __future__ import annotations

GROUPS: dict[str, str] = {
    "SCAN": "timestamp severity ip protocol port hostname tag asn geo region city naics"
    " hostname_source sector",
    "FTP": "timestamp severity ip protocol port hostname tag asn geo region city naics"
    " hostname_source",
    "SRC": "timestamp protocol src_ip src_port src_asn src_geo src_region src_city src_hostname"
    " src_naics src_sector device_vendor device_type device_model severity",
    "DST": "dst_ip dst_port dst_asn dst_geo dst_region dst_city dst_hostname dst_naics dst_sector",
    "WHAT": "public_source infection family tag application version event_id",
    "REFERER": "timestamp protocol http_referer_ip http_referer_port http_referer_asn"
    " http_referer_geo http_referer_region http_referer_city http_referer_hostname"
    " http_referer_naics http_referer_sector severity",
    "DEVICE": "device_vendor device_type device_model device_version",
    "THREAT": "vulnerability_enum vulnerability_id vulnerability_class vulnerability_score"
    " vulnerability_severity vulnerability_version threat_framework threat_tactic_id"
    " threat_technique_id target_vendor target_product target_class",
    "FLOOD": "domain_source dst_network dst_netmask attack duration attack_src_ip attack_src_port"
    " domain domain_transaction_id gcip http_method http_path http_postdata http_usessl"
    " ip_header_ack ip_header_acknum ip_header_dont_fragment ip_header_fin ip_header_identity"
    " ip_header_psh ip_header_rst ip_header_seqnum ip_header_syn ip_header_tos ip_header_ttl"
    " ip_header_urg number_of_connections packet_length packet_randomized",
    "HTTP": "http http_code http_reason content_type connection www_authenticate set_cookie server"
    " content_length transfer_encoding http_date",
    "PROXY": "http http_code http_reason content_type connection proxy_authenticate via server"
    " content_length transfer_encoding http_date",
    "SEEN": "http_url http_host http_agent forwarded_by ssl_cipher http_referer ssl_servername"
    " machine_name",
    "AMP": "response_size amplification",
    "CERT": "cert_length subject_common_name issuer_common_name cert_issue_date"
    " cert_expiration_date sha1_fingerprint sha256_fingerprint sha512_fingerprint md5_fingerprint"
    " cert_serial_number signature_algorithm key_algorithm",
    "NAMES": "subject_organization_name subject_organization_unit_name subject_country"
    " subject_state_or_province_name subject_locality_name subject_street_address"
    " subject_postal_code subject_surname subject_given_name subject_email_address"
    " subject_business_category subject_serial_number issuer_organization_name"
    " issuer_organization_unit_name issuer_country issuer_state_or_province_name"
    " issuer_locality_name issuer_street_address issuer_postal_code issuer_surname"
    " issuer_given_name issuer_email_address issuer_business_category issuer_serial_number",
    "VALID": "cert_valid self_signed cert_expired validation_level",
    "RAW": "browser_trusted browser_error raw_cert raw_cert_chain",
    "STARTTLS": "auth_tls_response auth_ssl_response tlsv13_support tlsv13_cipher jarm",
    "TLSPAGE": "http_response_type http_code http_reason content_type http_connection"
    " www_authenticate set_cookie server_type content_length transfer_encoding http_date"
    " browser_trusted browser_error tlsv13_support tlsv13_cipher jarm",
    "BGP": "message_length message_type message_type_int bgp_version sender_asn hold_time"
    " bgp_identifier message2_type message2_type_int major_error_code major_error_code_int"
    " minor_error_code minor_error_code_int",
    "ELASTIC": "version ok name cluster_name http_code build_hash build_timestamp build_snapshot"
    " lucene_version tagline",
    "IPP": "ipp_version cups_version printer_uris printer_name printer_info printer_more_info"
    " printer_make_and_model printer_firmware_name printer_firmware_string_version"
    " printer_firmware_version printer_organization printer_organization_unit printer_uuid"
    " printer_wifi_ssid",
    "ISAKMP": "initiator_spi responder_spi next_payload exchange_type flags message_id"
    " next_payload2 domain_of_interpretation protocol_id spi_size notify_message_type",
    "LDAP": "response_size configuration_naming_context current_time default_naming_context"
    " dns_host_name domain_controller_functionality domain_functionality ds_service_name"
    " forest_functionality highest_committed_usn is_global_catalog_ready is_synchronized"
    " ldap_service_name naming_contexts root_domain_naming_context schema_naming_context"
    " server_name subschema_subentry supported_capabilities supported_control"
    " supported_ldap_policies supported_ldap_version supported_sasl_mechanisms amplification",
    "MYSQL": "version mysql_protocol_version server_version error_code error_id error_message"
    " client_can_handle_expired_passwords client_compress client_connect_attrs"
    " client_connect_with_db client_deprecated_eof client_found_rows client_ignore_sigpipe"
    " client_ignore_space client_interactive client_local_files client_long_flag"
    " client_long_password client_multi_results client_multi_statements client_no_schema"
    " client_odbc client_plugin_auth client_plugin_auth_len_enc_client_data client_protocol_41"
    " client_ps_multi_results client_reserved client_secure_connection client_session_track"
    " client_ssl client_transactions",
    "NTP": "version clk_wander clock error frequency jitter leap mintc noise offset peer phase poll"
    " precision processor refid reftime rootdelay rootdispersion stability state stratum system"
    " tai tc",
    "POSTGRES": "version supported_protocols protocol_error_code protocol_error_file"
    " protocol_error_line protocol_error_message protocol_error_routine protocol_error_severity"
    " protocol_error_severity_v startup_error_code startup_error_file startup_error_line"
    " startup_error_message startup_error_routine startup_error_severity"
    " startup_error_severity_v client_ssl",
    "SLP": "version function function_text flags next_extension_offset xid language_tag_length"
    " language_tag error_code error_code_text response_size raw_response",
    "SMB": "arch key smb_major_number smb_minor_number smb_revision smb_version_string",
    "SMTP": "banner freak_cipher_suite freak_vulnerable sslv3_supported raw_cert raw_cert_chain",
    "SSH": "serverid_raw serverid_version serverid_software serverid_comment server_cookie"
    " available_kex available_ciphers available_mac available_compression selected_kex algorithm"
    " selected_cipher selected_mac selected_compression server_signature_value"
    " server_signature_raw server_host_key server_host_key_sha256 rsa_prime rsa_prime_length"
    " rsa_generator rsa_generator_length rsa_public_key rsa_public_key_length rsa_exponent"
    " rsa_modulus rsa_length dss_prime dss_prime_length dss_generator dss_generator_length"
    " dss_public_key dss_public_key_length dss_dsa_public_g dss_dsa_public_p dss_dsa_public_q"
    " dss_dsa_public_y ecdsa_curve25519 ecdsa_curve ecdsa_public_key_length ecdsa_public_key_b"
    " ecdsa_public_key_gx ecdsa_public_key_gy ecdsa_public_key_n ecdsa_public_key_p"
    " ecdsa_public_key_x ecdsa_public_key_y ed25519_curve25519 ed25519_cert_public_key_nonce"
    " ed25519_cert_public_key_bytes ed25519_cert_public_key_raw ed25519_cert_public_key_sha256"
    " ed25519_cert_public_key_serial ed25519_cert_public_key_type_id"
    " ed25519_cert_public_key_type_name ed25519_cert_public_key_keyid"
    " ed25519_cert_public_key_principles ed25519_cert_public_key_valid_after"
    " ed25519_cert_public_key_valid_before ed25519_cert_public_key_duration"
    " ed25519_cert_public_key_sigkey_bytes ed25519_cert_public_key_sigkey_raw"
    " ed25519_cert_public_key_sigkey_sha256 ed25519_cert_public_key_sigkey_value"
    " ed25519_cert_public_key_sig_raw banner userauth_methods hassh",
    "STUN": "transaction_id magic_cookie message_length message_type mapped_family mapped_address"
    " mapped_port xor_mapped_family xor_mapped_address xor_mapped_port software fingerprint"
    " amplification response_size",
    "MQTT": "raw_response hex_code code cipher_suite ssl_version",
    "RDP": "handshake rdp_protocol ssl_version tlsv13_support tlsv13_cipher jarm",
}

TYPES = """\
-|blocklist|blocklisted|report|-|blocklist-report|timestamp severity ip hostname source reason asn geo region city naics sector tag
-|compromised_account|account|report|-|compromised-account-report|timestamp email infection source_url public_source status tag severity service username detail
-|compromised_iot|compromised|report|-|compromised-iot-report|+SCAN +DEVICE source_type category family status detail public_source account server_host_key malpubkey_sha256
-|compromised_iot6|compromised|report|-|compromised-iot-report|+SCAN +DEVICE source_type category family status detail public_source account server_host_key malpubkey_sha256
-|compromised_website|compromised|report|-|compromised-website-report|+SCAN application url http_host category system detected_since server redirect_target cc_url family status account detail public_source
-|compromised_website6|compromised|report|-|compromised-website-report|+SCAN application url http_host category system detected_since server redirect_target cc_url family status account detail public_source
-|device_id|device|scan|tcp|device-identification-report|+SCAN +DEVICE
-|device_id6|device|scan|tcp|device-identification-report|+SCAN +DEVICE
4|event_ddos_participant|attacker|report|-|ddos-participant-report|+SRC +DST +WHAT +FLOOD http_agent
4|event_honeypot_adb_scan|scanner|honeypot|yes|honeypot-adb-scanner-events-report|+SRC +DST +WHAT +THREAT banner commands maxdata system_type opened
4|event_honeypot_brute_force|attacker|honeypot|yes|honeypot-brute-force-events-report|+SRC +DST +WHAT service start_time end_time client_version username password payload_url payload_md5
4|event_honeypot_darknet|scanner|darknet|no|honeypot-darknet-events-report|+SRC +DST +WHAT count
4|event_honeypot_ddos|controller|drone|yes|honeypot-ddos-events|+SRC +DST +WHAT +FLOOD http_agent
4|event_honeypot_ddos_amp|target|honeypot|no|honeypot-amplification-ddos-events-report|+SRC +DST +WHAT request count bytes end_time duration avg_pps max_pps
4|event_honeypot_ddos_target|target|drone|-|honeypot-ddos-target-events-report|+SRC +DST +WHAT +FLOOD
4|event_honeypot_http_scan|scanner|honeypot|yes|honeypot-http-scanner-events|+SRC +DST +WHAT +THREAT pattern http_url http_agent http_request_method url_scheme session_tags file_md5 file_sha256 request_raw body_raw
4|event_honeypot_ics_scan|scanner|honeypot|tcp|honeypot-ics-scanner-events-report|+SRC +DST +WHAT state sensor_id slave_id function_code request response
4|event_honeypot_ikev2_scan|scanner|honeypot|-|honeypot-ikev2-scanner-events-report|+SRC +DST +WHAT +THREAT
4|event_honeypot_rdp_scan|scanner|honeypot|tcp|honeypot-rdp-scanner-events-report|+SRC +DST +WHAT +THREAT cookie session_tags
4|event_honeypot_rocketmq_scan|scanner|honeypot|tcp|honeypot-rocketmq-scanner-events-report|+SRC +DST +WHAT +THREAT code flag language opaque serialize_type body body_base64
4|event_honeypot_smb_scan|scanner|honeypot|tcp|honeypot-smb-scanner-events-report|+SRC +DST +WHAT +THREAT command flags supported_protocols session_tags
4|event_honeypot_snmp_scan|scanner|honeypot|-|honeypot-snmp-scanner-events-report|+SRC +DST +WHAT ?
46|event_initial_access_broker|compromised|report|-|initial-access-broker-report|+SRC +DST +WHAT ?
4|event_ip_spoofer|spoofer|report|no|ip-spoofer-events-report|+SRC +DST +WHAT network routedspoof session nat
46|event_sinkhole|bot|sinkhole|tcp|sinkhole-events-report|+SRC +DST +WHAT ssl_cipher ssl_servername
4|event_microsoft_sinkhole|bot|sinkhole|tcp|microsoft-sinkhole-events-report|+SRC +DST +WHAT ssl_cipher ssl_servername
46|event_sinkhole_http|bot|sinkhole|yes|sinkhole-http-events-report|+SRC +DST +WHAT +SEEN
4|event_microsoft_sinkhole_http|bot|sinkhole|yes|microsoft-sinkhole-http-events-report|+SRC +DST +WHAT +SEEN
4|event_sinkhole_dns|resolver|sinkhole|no|sinkhole-dns-events-report|+SRC infection family tag query_type query count
46|event_sinkhole_http_referer|compromised|sinkhole|-|sinkhole-http-referer-events-report|+REFERER +DST +WHAT http_url http_host http_referer ssl_servername
-|iot_exposed_device_stats|other|report|-||?
-|iot_infected_device_stats|other|report|-||?
-|malware_url|malware-host|report|-|malware-url-report|timestamp url hostname ip asn geo region city naics sector severity port tag source sha256 application
-|ransomware_victim|target|report|-|ransomware-victim-report|timestamp entity_name website geo region sector date_published ransomware leak_site_url severity actor_geo_stats_30d actor_total_stats_30d
-|targeted_host|target|report|-|targeted-host-report|?
-|targeted_host6|target|report|-|targeted-host-report|?
-|sandbox_conn|sample|sandbox|-|sandbox-connection-report|timestamp severity ip asn geo md5 protocol port hostname bytes_in bytes_out region city naics sector sha1 sha256
-|sandbox_dns|sample|sandbox|-||timestamp md5 request request_type response family tag source severity sha1 sha256
-|sandbox_url|sample|sandbox|-|sandbox-url-report|timestamp severity ip asn geo md5 url user_agent hostname method naics sector region city port sha1 sha256
-|spam_url|spam|spamtrap|-|spam-url-report|timestamp url hostname ip asn geo region city naics sector severity port tag source sender subject src_ip src_asn src_geo src_region src_city src_naics src_sector
-|special|vulnerable|report|-||timestamp ip port protocol asn geo region city hostname naics sector tag public_source status detail method device_vendor severity hostname_source first_seen_time last_seen_time potential_exposure_time
46|population_bgp|exposed|scan|yes|accessible-bgp-service-report|+SCAN +BGP
46|population_http_proxy|exposed|scan|yes|accessible-http-proxy-report|+SCAN +PROXY
46|population_isakmp|exposed|scan|-|accessible-isakmp-report|+SCAN ?
46|population_msmq|exposed|scan|tcp|accessible-msmq-service-report|+SCAN response_size
4|population_ntrip|exposed|scan|tcp|accessible-ntrip-report|+SCAN ?
46|population_xmpp|exposed|scan|tcp||+SCAN ?
46|scan_activemq|vulnerable|scan|tcp|accessible-activemq-service-report|+SCAN command vendor version
4|scan_adb|vulnerable|scan|tcp|accessible-adb-report|+SCAN +DEVICE device_sector name model device features
4|scan_afp|vulnerable|scan|tcp|accessible-afp-report|+SCAN machine_type afp_versions uams flags server_name signature directory_service utf8_servername network_address
4|scan_amqp|vulnerable|scan|tcp|accessible-amqp-report|+SCAN channel message_length class method version_major version_minor capabilities cluster_name platform product product_version mechanisms locales
4|scan_ard|vulnerable|scan|-|accessible-apple-remote-desktop-ard-report|+SCAN machine_name +AMP
46|scan_badsecrets|vulnerable|scan|tcp|badsecrets-report|+SCAN ?
4|scan_beacon|controller|scan|tcp||+SCAN ?
46|scan_bgp|vulnerable|scan|tcp|open-bgp-service-report|+SCAN +BGP
4|scan_chargen|vulnerable|scan|-|open-chargen-report|+SCAN +AMP
4|scan_cisco_smart_install|vulnerable|scan|tcp|accessible-cisco-smart-install-report|+SCAN
4|scan_coap|vulnerable|scan|-|accessible-coap-report|+SCAN version response +AMP
4|scan_couchdb|vulnerable|scan|tcp|accessible-couchdb-report|+SCAN server_version couchdb_message couchdb_version git_sha features vendor visible_databases error error_reason
46|scan_cwmp|vulnerable|scan|tcp|open-cwmp-report|+SCAN +HTTP
4|scan_db2|vulnerable|scan|-|open-db2-discovery-service-report|+SCAN db2_hostname servername +AMP
4|scan_ddos_middlebox|vulnerable|scan|-|vulnerable-ddos-middlebox-report|+SCAN source_port bytes amplification method
46|scan_dns|vulnerable|scan|-|dns-open-resolvers-report|+SCAN dns_version min_amplification
4|scan_docker|vulnerable|scan|tcp|accessible-docker-service-report|+SCAN version http http_code http_reason content_type server date experimental api_version arch go_version os kernel_version git_commit min_api_version build_time pkg_version
4|scan_dvr_dhcpdiscover|vulnerable|scan|-|open-dvr-dhcpdiscover-report|+SCAN +DEVICE device_sector device_id device_serial machine_name manufacturer method http_port internal_port video_input_channels alarm_input_channels video_output_channels alarm_output_channels remote_video_input_channels mac_address ipv4_address ipv4_gateway ipv4_subnet_mask ipv4_dhcp_enable ipv6_address ipv6_link_local ipv6_gateway ipv6_dhcp_enable +AMP
46|scan_elasticsearch|vulnerable|scan|tcp|open-elasticsearch-report|+SCAN +ELASTIC
4|scan_epmd|vulnerable|scan|tcp|accessible-erlang-port-mapper-report-daemon|+SCAN nodes
46|scan_exchange|vulnerable|scan|tcp|vulnerable-exchange-server-report|+SCAN version servername url
46|scan_ftp|vulnerable|scan|tcp|accessible-ftp-report|+FTP +DEVICE device_sector banner handshake cipher_suite ssl_version +CERT +NAMES +VALID +STARTTLS
4|scan_gtp|vulnerable|scan|-|accessible-gprs-tunneling-protocol-gtp-report|+SCAN ?
4|scan_hadoop|vulnerable|scan|tcp|accessible-hadoop-report|+SCAN version server_type clusterid total_disk used_disk free_disk livenodes namenodeaddress volumeinfo
46|scan_http|exposed|scan|tcp|accessible-http-report|+SCAN +HTTP version
46|scan_http_proxy|proxy|scan|tcp|open-http-proxy-report|+SCAN +PROXY
46|scan_http_vulnerable|vulnerable|scan|tcp|vulnerable-http-report|+SCAN +HTTP version build_date detail build_branch
4|scan_ics|vulnerable|scan|tcp|accessible-ics-report|+SCAN +DEVICE device_sector device_id response_size raw_response
46|scan_imap|exposed|scan|tcp|accessible-imap-report|+SCAN ?
46|scan_imap_vulnerable|vulnerable|scan|tcp|vulnerable-imap-report|+SCAN ?
46|scan_ip_tunnel|vulnerable|scan|-|open-ip-tunnel-report|+SCAN response
4|scan_ipmi|vulnerable|scan|-|open-ipmi-report|+SCAN ipmi_version none_auth md2_auth md5_auth passkey_auth oem_auth defaultkg permessage_auth userlevel_auth usernames nulluser anon_login error deviceid devicerev firmwarerev version manufacturerid manufacturername productid productname
46|scan_ipp|vulnerable|scan|tcp|open-ipp-report|+SCAN +DEVICE device_sector +IPP
46|scan_isakmp|vulnerable|scan|-|vulnerable-isakmp-report|+SCAN +ISAKMP +AMP
4|scan_kubernetes|vulnerable|scan|tcp|accessible-kubernetes-api-server-report|+SCAN version http http_code http_reason content_type server date major minor git_version git_commit git_tree_state build_date go_version compiler platform handshake cipher_suite ssl_version +CERT +NAMES +VALID +RAW
46|scan_ldap_tcp|vulnerable|scan|tcp|open-ldap-tcp-report|+SCAN +DEVICE device_sector +LDAP handshake cipher_suite ssl_version +CERT +NAMES +VALID +STARTTLS
4|scan_ldap_udp|vulnerable|scan|-|open-ldap-report|+SCAN +LDAP
4|scan_loop_dos|vulnerable|scan|-|high-loop-dos-report|+SCAN detail application
4|scan_mdns|vulnerable|scan|-|open-mdns-report|+SCAN mdns_name mdns_ipv4 mdns_ipv6 services workstation_name workstation_ipv4 workstation_ipv6 workstation_info http_name http_ipv4 http_ipv6 http_ptr http_info http_target http_port spotify_name spotify_ipv4 spotify_ipv6 opc_ua_discovery
4|scan_memcached|vulnerable|scan|-|open-memcached-report|+SCAN version pid pointer_size uptime time curr_connections total_connections +AMP
4|scan_mikrotik_population|exposed|scan|tcp||+SCAN ?
46|scan_mikrotik_service|vulnerable|scan|tcp|accessible-mikrotik-service-report|+SCAN ?
46|scan_mongodb|vulnerable|scan|tcp|open-mongodb-report|+SCAN version gitversion sysinfo opensslversion allocator javascriptengine bits maxbsonobjectsize ok visible_databases
46|scan_mqtt|vulnerable|scan|tcp|open-mqtt-report|+SCAN anonymous_access +MQTT +CERT +NAMES
46|scan_mqtt_anon|vulnerable|scan|tcp|open-mqtt-report|+SCAN +MQTT +CERT +NAMES
46|scan_msrpc|vulnerable|scan|tcp|accessible-ms-rpc-service-report|+SCAN ?
4|scan_mssql|vulnerable|scan|-|open-ms-sql-server-resolution-service-report|+SCAN version server_name instance_name tcp_port named_pipe +AMP
46|scan_mysql|vulnerable|scan|tcp|accessible-mysql-server-report|+SCAN +MYSQL handshake cipher_suite ssl_version +CERT +NAMES +VALID +RAW
4|scan_nat_pmp|vulnerable|scan|-|open-nat-pmp-report|+SCAN version opcode uptime external_ip +AMP
4|scan_netbios|vulnerable|scan|-|open-netbios-report|+SCAN mac_address workgroup machine_name username +AMP
4|scan_netis_router|vulnerable|scan|-|netcore-netis-router-vulnerability-scan-report|+SCAN response +AMP
46|scan_ntp|vulnerable|scan|-|ntp-version-report|+SCAN +NTP +AMP
46|scan_ntpmonitor|vulnerable|scan|-|ntp-monitor-report|+SCAN packets +AMP
46|scan_pop3|exposed|scan|tcp|accessible-pop3-report|+SCAN ?
46|scan_pop3_vulnerable|vulnerable|scan|tcp|vulnerable-pop3-report|+SCAN ?
4|scan_portmapper|vulnerable|scan|-|open-portmapper-report|+SCAN programs mountd_port exports +AMP
4|scan_post_exploitation_framework|controller|scan|tcp|post-exploitation-framework|+SCAN http http_url http_code content_type content_length architecture beacon_type beacon_host beacon_port beacon_http_get beacon_http_post license_id config_md5 config_sha1 config_sha256 config_sha512 binary_md5 binary_sha1 binary_sha256 binary_sha512 encoded_length encoded_data
46|scan_postgres|vulnerable|scan|tcp|accessible-postgresql-server-report|+SCAN +POSTGRES handshake cipher_suite ssl_version +CERT +NAMES +VALID +RAW
4|scan_qotd|vulnerable|scan|-|open-qotd-report|+SCAN quote +AMP
4|scan_quic|exposed|scan|-|accessible-quic-report|+SCAN version_field_1 version_field_2 version_field_3 version_field_4
4|scan_radmin|vulnerable|scan|tcp|accessible-radmin-report|+SCAN version
46|scan_ransom|compromised|scan|tcp||+SCAN ?
46|scan_rdp|vulnerable|scan|tcp|accessible-rdp-report|+SCAN +RDP +CERT
4|scan_rdpeudp|vulnerable|scan|-|accessible-ms-rdpeudp|+SCAN sessionid +AMP
4|scan_redis|vulnerable|scan|tcp|open-redis-report|+SCAN version git_sha1 git_dirty_flag build_id mode os architecture multiplexing_api gcc_version process_id run_id uptime connected_clients
46|scan_rsync|vulnerable|scan|tcp|accessible-rsync-report|+SCAN module motd has_password
4|scan_sip|vulnerable|scan|-|accessible-sip-report|+SCAN sip sip_code sip_reason user_agent sip_via sip_to sip_from content_length content_type server contact cseq call_id allow +AMP
46|scan_slp|vulnerable|scan|-|accessible-slp-service-report|+SCAN +SLP
46|scan_smb|vulnerable|scan|tcp|accessible-smb-report|+SCAN +SMB
46|scan_smtp|exposed|scan|tcp|accessible-smtp-report|+SCAN +SMTP handshake cipher_suite ssl_version +CERT +NAMES +VALID +STARTTLS
46|scan_smtp_vulnerable|vulnerable|scan|tcp|vulnerable-smtp-report|+SCAN +SMTP handshake cipher_suite ssl_version +CERT +NAMES +VALID +STARTTLS
46|scan_snmp|vulnerable|scan|-|open-snmp-report|+SCAN +DEVICE device_sector version sysname sysdesc community +AMP uptime mac_address vendor_id vendor
4|scan_socks|proxy|scan|tcp|accessible-socks4-5-proxy-report|+SCAN
4|scan_ssdp|vulnerable|scan|-|open-ssdp-report|+SCAN header systime cache_control location server search_target unique_service_name host nts nt content_type server_port instance version updated_at resource_identifier +AMP
46|scan_ssh|exposed|scan|tcp|accessible-ssh-report|+SCAN +DEVICE device_sector +SSH
46|scan_ssl|exposed|scan|tcp|accessible-ssl-report|+SCAN handshake cipher_suite ssl_poodle ssl_version freak_vulnerable freak_cipher_suite +CERT +NAMES +VALID +TLSPAGE
46|scan_ssl_freak|vulnerable|scan|tcp|ssl-freak-report|+SCAN +DEVICE device_sector handshake cipher_suite freak_vulnerable freak_cipher_suite +CERT +NAMES +VALID +TLSPAGE raw_cert raw_cert_chain page_sha256fp
46|scan_ssl_poodle|vulnerable|scan|tcp|ssl-poodle-report|+SCAN +DEVICE device_sector handshake cipher_suite ssl_poodle ssl_version +CERT +NAMES +VALID +TLSPAGE raw_cert raw_cert_chain page_sha256fp
46|scan_stun|exposed|scan|-|accessible-stun-service-report|+SCAN +STUN
4|scan_synfulknock|compromised|scan|-|synful-scan-report|+SCAN sequence_number ack_number window_size urgent_pointer tcp_flags raw_packet
46|scan_telnet|vulnerable|scan|tcp|accessible-telnet-report|+SCAN banner
4|scan_tftp|vulnerable|scan|-|open-accessible-tftp-report|+SCAN opcode errorcode error errormessage +AMP
4|scan_ubiquiti|vulnerable|scan|-|open-ubiquiti-report|+SCAN mac radioname essid modelshort modelfull firmware +AMP
46|scan_vnc|vulnerable|scan|tcp|accessible-vnc-report|+SCAN product banner
4|scan_ws_discovery|vulnerable|scan|-|accessible-ws-discovery-service-report|+SCAN +AMP error raw_response
4|scan_xdmcp|vulnerable|scan|-|accessible-xdmcp-service-report|+SCAN opcode reported_hostname status +AMP
"""
