"""Country names to ISO 3166-1 alpha-2 codes: families B and C give an address's country by name only.

Names as a new shop installs them (English short names), with the spellings people change them to.
"""

from __future__ import annotations

import unicodedata

_TABLE = """
AF Afghanistan|AX Åland Islands|AL Albania|DZ Algeria|AS American Samoa|AD Andorra|AO Angola|AI Anguilla|AQ Antarctica
AG Antigua and Barbuda|AR Argentina|AM Armenia|AW Aruba|AU Australia|AT Austria|AZ Azerbaijan|BS Bahamas|BH Bahrain
BD Bangladesh|BB Barbados|BY Belarus|BE Belgium|BZ Belize|BJ Benin|BM Bermuda|BT Bhutan
BO Bolivia;Bolivia (Plurinational State of);Bolivia, Plurinational State of|BQ Bonaire, Sint Eustatius and Saba
BA Bosnia and Herzegovina;Bosnia and Herzegowina|BW Botswana|BV Bouvet Island|BR Brazil
IO British Indian Ocean Territory|BN Brunei Darussalam;Brunei|BG Bulgaria|BF Burkina Faso|BI Burundi|KH Cambodia
CM Cameroon|CA Canada|CV Cabo Verde;Cape Verde|KY Cayman Islands|CF Central African Republic|TD Chad|CL Chile|CN China
CX Christmas Island|CC Cocos (Keeling) Islands;Cocos Islands|CO Colombia|KM Comoros|CG Congo
CD Congo (Democratic Republic of the);Democratic Republic of the Congo;Congo, Democratic Republic of the
CK Cook Islands|CR Costa Rica|CI Côte d'Ivoire;Cote D'Ivoire;Ivory Coast|HR Croatia;Croatia (local Name: Hrvatska)
CU Cuba|CW Curaçao|CY Cyprus|CZ Czech Republic;Czechia|DK Denmark|DJ Djibouti|DM Dominica|DO Dominican Republic
EC Ecuador|EG Egypt|SV El Salvador|GQ Equatorial Guinea|ER Eritrea|EE Estonia|SZ Eswatini;Swaziland|ET Ethiopia
FK Falkland Islands (Malvinas);Falkland Islands|FO Faroe Islands|FJ Fiji|FI Finland|FR France|GF French Guiana
PF French Polynesia|TF French Southern Territories|GA Gabon|GM Gambia|GE Georgia|DE Germany;Deutschland|GH Ghana
GI Gibraltar|GR Greece|GL Greenland|GD Grenada|GP Guadeloupe|GU Guam|GT Guatemala|GG Guernsey|GN Guinea
GW Guinea-Bissau|GY Guyana|HT Haiti|HM Heard Island and McDonald Islands;Heard and Mc Donald Islands
VA Holy See;Vatican City State (Holy See);Vatican City|HN Honduras|HK Hong Kong|HU Hungary|IS Iceland|IN India
ID Indonesia|IR Iran;Iran (Islamic Republic of);Iran, Islamic Republic of|IQ Iraq|IE Ireland;Republic of Ireland
IM Isle of Man|IL Israel|IT Italy|JM Jamaica|JP Japan|JE Jersey|JO Jordan|KZ Kazakhstan|KE Kenya|KI Kiribati
KP Korea (Democratic People's Republic of);North Korea;Korea, Democratic People's Republic of
KR Korea;Korea (Republic of);South Korea;Korea, Republic of|KW Kuwait|KG Kyrgyzstan
LA Lao People's Democratic Republic;Laos|LV Latvia|LB Lebanon|LS Lesotho|LR Liberia|LY Libya;Libyan Arab Jamahiriya
LI Liechtenstein|LT Lithuania|LU Luxembourg|MO Macao;Macau
MK North Macedonia;Macedonia;Macedonia (the former Yugoslav Republic of)|MG Madagascar|MW Malawi|MY Malaysia
MV Maldives|ML Mali|MT Malta|MH Marshall Islands|MQ Martinique|MR Mauritania|MU Mauritius|YT Mayotte|MX Mexico
FM Micronesia;Micronesia (Federated States of)|MD Moldova;Moldova (Republic of);Moldova, Republic of|MC Monaco
MN Mongolia|ME Montenegro|MS Montserrat|MA Morocco|MZ Mozambique|MM Myanmar|NA Namibia|NR Nauru|NP Nepal
NL Netherlands;The Netherlands|NC New Caledonia|NZ New Zealand|NI Nicaragua|NE Niger|NG Nigeria|NU Niue
NF Norfolk Island|MP Northern Mariana Islands|NO Norway|OM Oman|PK Pakistan|PW Palau|PS Palestine;Palestine, State of
PA Panama|PG Papua New Guinea|PY Paraguay|PE Peru|PH Philippines|PN Pitcairn|PL Poland|PT Portugal|PR Puerto Rico
QA Qatar|RE Réunion;Reunion|RO Romania|RU Russia;Russian Federation|RW Rwanda|BL Saint Barthélemy
SH Saint Helena, Ascension and Tristan da Cunha;St. Helena|KN Saint Kitts and Nevis|LC Saint Lucia
MF Saint Martin (French part)|PM Saint Pierre and Miquelon;St. Pierre and Miquelon|VC Saint Vincent and the Grenadines
WS Samoa|SM San Marino|ST Sao Tome and Principe|SA Saudi Arabia|SN Senegal|RS Serbia|SC Seychelles|SL Sierra Leone
SG Singapore|SX Sint Maarten (Dutch part)|SK Slovakia;Slovakia (Slovak Republic)|SI Slovenia|SB Solomon Islands
SO Somalia|ZA South Africa|GS South Georgia and the South Sandwich Islands;South Georgia & South Sandwich Islands
SS South Sudan|ES Spain|LK Sri Lanka|SD Sudan|SR Suriname|SJ Svalbard and Jan Mayen;Svalbard and Jan Mayen Islands
SE Sweden|CH Switzerland|SY Syrian Arab Republic;Syria|TW Taiwan;Taiwan, Province of China|TJ Tajikistan
TZ Tanzania;Tanzania, United Republic of;United Republic of Tanzania|TH Thailand|TL Timor-Leste|TG Togo|TK Tokelau
TO Tonga|TT Trinidad and Tobago|TN Tunisia|TR Turkey;Türkiye|TM Turkmenistan|TC Turks and Caicos Islands|TV Tuvalu
UG Uganda|UA Ukraine|AE United Arab Emirates
GB United Kingdom;Great Britain;UK;England;Scotland;Wales;Northern Ireland
GB United Kingdom of Great Britain and Northern Ireland
US United States;United States of America;USA
UM United States Minor Outlying Islands;United States minor outlying islands|UY Uruguay|UZ Uzbekistan|VU Vanuatu
VE Venezuela;Venezuela (Bolivarian Republic of)|VN Viet Nam;Vietnam|VG Virgin Islands (British);British Virgin Islands
VI Virgin Islands (U.S.);US Virgin Islands|WF Wallis and Futuna;Wallis and Futuna Islands|EH Western Sahara|YE Yemen
ZM Zambia|ZW Zimbabwe
"""


def _key(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).casefold().replace("&", "and")
    return "".join(char for char in letters if char.isalnum())


def _build() -> dict[str, str]:
    codes = {}
    for entry in _TABLE.replace("\n", "|").split("|"):
        if entry.strip():
            code, names = entry.strip().split(" ", 1)
            codes.update({_key(name): code for name in names.split(";")})
    return codes


_CODES = _build()


def code_of(name: str) -> str:
    """``"United Kingdom"`` → ``"GB"``; empty when the name is not known (a shop may rename its countries)."""
    text = name.strip()
    return _CODES.get(_key(text), "")
